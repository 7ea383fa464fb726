use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use super::*;

fn times(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let (cron, zone): (Cron, Zone) = (text.parse().unwrap(), zone.parse().unwrap());
    let mut after = SystemTime::from(after.parse::<Timestamp>().unwrap());
    let next = || {
        after = cron.next_after(after, &zone)?;
        Some(zone.write(after))
    };
    std::iter::from_fn(next).take(count).collect()
}

#[test]
fn with_six_fields_the_seconds_come_first() {
    let times = times("*/20 59 23 31 12 *", "UTC", "2026-01-15T10:20:30.5Z", 4);
    insta::assert_snapshot!(times.join("\n"), @r"
    2026-12-31T23:59:00Z
    2026-12-31T23:59:20Z
    2026-12-31T23:59:40Z
    2027-12-31T23:59:00Z
    ");
}

#[test]
fn a_time_that_the_clocks_skip_is_due_when_they_go_on() {
    let times = times("0,30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 4);
    insta::assert_snapshot!(times.join("\n"), @r"
    2026-03-28T02:00:00+01:00
    2026-03-28T02:30:00+01:00
    2026-03-29T03:00:00+02:00
    2026-03-30T02:00:00+02:00
    ");
}

#[test]
fn a_time_that_occurs_twice_is_due_once() {
    let times = times("15,45 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", 3);
    insta::assert_snapshot!(times.join("\n"), @r"
    2026-10-25T02:15:00+02:00
    2026-10-25T02:45:00+02:00
    2026-10-26T02:15:00+01:00
    ");
}

#[test]
fn asked_within_the_repeated_hour_it_is_due_after_that() {
    // 02:30 in winter time, the second one.
    let times = times("45 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", 1);
    assert_eq!(times, ["2026-10-26T02:45:00+01:00"]);
}

#[test]
fn a_text_that_is_no_expression_says_what_to_do() {
    let texts = [
        "",
        "* * * *",
        "@often",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5/15 * * * *",
        "50-10 * * * *",
        "* * * * FRI-MON",
        "1-x * * * *",
        "+5 * * * *",
        "0 0 30 2 *",
        "0 0 31 4,6 *",
    ];
    let errors = texts.map(|text| format!("{text:<16} {}", text.parse::<Cron>().unwrap_err()));
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn an_expression_is_written_as_it_was_given() {
    for text in ["@daily", "0 9 * * MON-FRI", "*/5 0 0 1 JAN *"] {
        let cron: Cron = serde_json::from_value(text.into()).unwrap();
        assert_eq!((cron.to_string().as_str(), serde_json::to_value(&cron).unwrap()), (text, text.into()));
    }
}

#[test]
fn the_last_times_of_all_are_the_end() {
    let cron: Cron = "0 0 29 2 *".parse().unwrap();
    let after: Timestamp = "9996-03-01T00:00:00Z".parse().unwrap();
    assert_eq!(cron.next_after(after.into(), &Zone::default()), None);
}

/// What an expression says about a minute, field by field: nothing else is known here.
#[derive(Debug, Clone)]
struct Naive {
    minute: Option<Vec<u8>>,
    hour: Option<Vec<u8>>,
    day: Option<Vec<u8>>,
    month: Option<Vec<u8>>,
    weekday: Option<Vec<u8>>,
}

impl Naive {
    fn text(&self) -> String {
        let field = |values: &Option<Vec<u8>>| match values {
            None => "*".to_owned(),
            Some(values) => values.iter().map(u8::to_string).collect::<Vec<_>>().join(","),
        };
        [&self.minute, &self.hour, &self.day, &self.month, &self.weekday].map(field).join(" ")
    }

    fn is_due(&self, at: DateTime) -> bool {
        let is = |values: &Option<Vec<u8>>, part: i8| {
            values.as_ref().is_none_or(|values| values.contains(&u8::try_from(part).unwrap()))
        };
        let day = is(&self.day, at.day());
        let weekday = is(&self.weekday, at.weekday().to_sunday_zero_offset());
        let both = self.day.is_some() && self.weekday.is_some();
        is(&self.minute, at.minute())
            && is(&self.hour, at.hour())
            && is(&self.month, at.month())
            && if both { day || weekday } else { day && weekday }
    }

    /// Looks at one minute after the other.
    fn next_after(&self, after: Timestamp, zone: &TimeZone, minutes: usize) -> Option<Timestamp> {
        let whole = Timestamp::from_second(after.as_second().div_euclid(60) * 60).unwrap();
        let mut before = zone.to_datetime(whole);
        (1..=minutes).map(|minute| whole + (i64::try_from(minute).unwrap()).minutes()).find(|at| {
            let local = zone.to_datetime(*at);
            let first = zone.to_ambiguous_timestamp(local).earlier().unwrap() == *at;
            let mut skipped = before + 1.minute();
            let mut is_due = first && self.is_due(local);
            while skipped < local {
                is_due |= self.is_due(skipped);
                skipped += 1.minute();
            }
            before = local;
            is_due
        })
    }
}

fn field(least: u8, most: u8) -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(prop::collection::vec(least..=most, 1..4))
}

fn naive() -> impl Strategy<Value = Naive> {
    (field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
        .prop_map(|(minute, hour, day, month, weekday)| Naive { minute, hour, day, month, weekday })
}

proptest! {
    /// Around the changes of clocks of zones with an hour, with half an hour, and at midnight.
    #[test]
    fn it_agrees_with_looking_at_every_minute(
        naive in naive(),
        (zone, change) in prop::sample::select(vec![
            ("Europe/Berlin", 1_774_746_000), ("Europe/Berlin", 1_792_890_000), ("Australia/Lord_Howe", 1_775_314_800),
            ("Australia/Lord_Howe", 1_791_041_400), ("America/Santiago", 1_788_667_200), ("Asia/Kolkata", 1_774_746_000),
        ]),
        before in 0i64..3 * 86_400,
    ) {
        let zone: Zone = zone.parse().unwrap();
        let after = Timestamp::from_second(change - before).unwrap();
        let cron: Cron = naive.text().parse().unwrap();
        const DAYS: usize = 6;
        let found = cron.next_after(after.into(), &zone).map(|next| Timestamp::try_from(next).unwrap());
        let expected = naive.next_after(after, zone.inner(), DAYS * 24 * 60);
        let end = after + (i64::try_from(DAYS * 24).unwrap()).hours();
        prop_assert_eq!(found.filter(|at| *at <= end), expected, "{} after {} in {:?}", cron, after, zone);
    }
}
