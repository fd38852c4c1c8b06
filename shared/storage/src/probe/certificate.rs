//! What is wrong with a server's certificate.

use std::io;

use rustls::CertificateError;

/// Why the certificate does not pass as `sslmode=verify-full` checks it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    #[error("the server's certificate is not signed by an authority that is known here")]
    UnknownIssuer,
    #[error("the server's certificate is for another host name")]
    WrongName,
    #[error("the server's certificate has expired")]
    Expired,
    #[error("the server's certificate is not valid yet")]
    NotValidYet,
    #[error("the file with the root certificate cannot be read: {0}")]
    RootFile(String),
    #[error("{0}")]
    Other(String),
}

impl CertificateProblem {
    /// `None` when the connection failed for another reason.
    pub(super) fn of(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(error) => Self::of_io(error),
            sqlx::Error::Tls(error) => {
                let known = error.downcast_ref::<rustls::Error>().map(Self::of_tls);
                Some(known.unwrap_or_else(|| Self::Other(error.to_string())))
            }
            _ => None,
        }
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(Self::of_tls(tls));
        }
        // A network has no files: it can only be the certificate's.
        let is_file = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
        is_file.then(|| Self::RootFile(error.to_string()))
    }

    fn of_tls(error: &rustls::Error) -> Self {
        let rustls::Error::InvalidCertificate(reason) = error else { return Self::Other(error.to_string()) };
        match reason {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotValidYet,
            _ => Self::Other(error.to_string()),
        }
    }
}
