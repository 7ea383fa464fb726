// Checks batches with the reference library of CloudEvents for JavaScript: that for Python has no reader for them.
//
// Reads the same file as interop.py, and exits with 1 if a request is not what it should be.

const assert = require("node:assert");
const fs = require("node:fs");
const { HTTP } = require("cloudevents");

const batched = JSON.parse(fs.readFileSync(process.argv[2], "utf8")).filter(({ mode }) => mode === "batched");
assert(batched.length > 0, "there is a batch");
for (const { headers, body, expected } of batched) {
  assert.strictEqual(headers["content-type"], "application/cloudevents-batch+json");
  const message = { headers, body: Buffer.from(body).toString("utf8") };
  assert(HTTP.isEvent(message), "the library takes it for an event");
  const events = HTTP.toEvent(message);
  assert(Array.isArray(events), "the library takes it for a batch");
  const read = events.map((event) => {
    // Throws if it is not as the specification says.
    event.validate();
    assert.strictEqual(event.specversion, "1.0");
    assert(event.time);
    const { id, type, source, subject, data, data_base64: base64 } = event;
    return {
      id,
      type,
      source,
      subject: subject ?? null,
      data: base64 === undefined ? data : [...Buffer.from(base64, "base64")],
    };
  });
  assert.deepStrictEqual(read, expected);
}
