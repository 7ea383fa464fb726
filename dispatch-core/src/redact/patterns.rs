/// The substrings, in lower case, that make a text sensitive without any configuration.
pub const BUILT_IN: &[&str] = &[
    // Passwords, tokens, keys.
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "access-key",
    "private_key",
    "privatekey",
    "private-key",
    "ssh_key",
    "sshkey",
    "ssh-key",
    "aws_access",
    "-----begin",
    "-----end",
    // Sessions and credentials.
    "session_id",
    "sessionid",
    "session-id",
    "credential",
    "auth",
    "bearer",
    "user:pass",
    // Where stores and brokers are reached.
    "connection_string",
    "connectionstring",
    "connection-string",
    "connection string",
    "conn_str",
    "connstr",
    "mongodb://",
    "mongodb+srv://",
    "postgres://",
    "postgresql://",
    "mysql://",
    "redis://",
    "rediss://",
    "valkey://",
    "amqp://",
    "amqps://",
    "kafka://",
    "nats://",
];

/// A character in the form in which texts and patterns are compared: lower case, and one form of sigma, since
/// which of the two a capital becomes depends on where it stands in the word.
pub(super) fn fold(character: char) -> impl Iterator<Item = char> {
    character.to_lowercase().map(|lower| if lower == 'ς' { 'σ' } else { lower })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_patterns_are_in_the_form_they_are_compared_in() {
        for pattern in BUILT_IN {
            let folded: String = pattern.chars().flat_map(fold).collect();
            assert_eq!(&folded, pattern);
        }
    }
}
