use std::error::Error;
use std::io;

/// Why TLS failed, if that is why: the text of rustls, which names no secret, and what to do.
pub(crate) fn refusal(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = of(error) {
            return Some(said(refused));
        }
        cause = error.source();
    }
    None
}

fn said(refused: &rustls::Error) -> String {
    let advice = match refused {
        rustls::Error::InvalidCertificate(_) => {
            "; use the name in its certificate, and list the file of its root in tls.roots"
        }
        _ => "",
    };
    format!("TLS failed: {refused}{advice}")
}

/// An I/O error hides what it was made from in itself, not behind `source`.
fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = || -> Option<&'a (dyn Error + 'static)> {
        let inner: &(dyn Error + Send + Sync) = error.downcast_ref::<io::Error>()?.get_ref()?;
        Some(inner)
    };
    error.downcast_ref().or_else(|| of(inner()?))
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn a_refused_certificate_is_found_however_deep_it_lies() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let deep = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, refused));
        let text = refusal(&deep).unwrap();
        assert!(
            text.starts_with("TLS failed: invalid peer certificate: UnknownIssuer; use the name"),
            "{text}"
        );
        assert!(text.ends_with("tls.roots"), "{text}");
        assert_eq!(refusal(&io::Error::other("reset")), None);
    }
}
