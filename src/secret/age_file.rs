//! Files in the format of age (<https://age-encryption.org/v1>), which its own tool opens, too: for recipients with X25519
//! keys, or closed by a passphrase. They are written and read as they come, in constant memory.

use std::fmt;
use std::io::{self, BufRead, Write};

use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};

/// A secret key.
pub(crate) use x25519::Identity;

/// How such a file begins.
const BEGINNING: &[u8] = b"age-encryption.org/";
/// How one begins that was written for mails, which is not read here.
const ARMORED: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// Whom a file is for.
pub(crate) enum Lock {
    /// Whoever has the identity of one of them.
    Recipients(Vec<x25519::Recipient>),
    /// Whoever knows it.
    Passphrase(String),
}

/// Bytes on their way into such a file.
pub(crate) struct Locked<W: Write>(StreamWriter<W>);

/// What opens files.
#[derive(Default)]
pub(crate) struct Keys {
    /// The secret keys.
    pub identities: Vec<x25519::Identity>,
    /// The passphrase.
    pub passphrase: Option<String>,
}

/// Why a file stays closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    /// It is for recipients, and no identity is there.
    #[error("it is encrypted for recipients")]
    NeedsIdentity,
    /// None of the identities is that of one of its recipients.
    #[error("it is encrypted for other recipients")]
    OtherRecipients,
    /// It is closed by a passphrase, and none is there.
    #[error("it is encrypted with a passphrase")]
    NeedsPassphrase,
    /// The passphrase is another one.
    #[error("it is encrypted with another passphrase")]
    OtherPassphrase,
    /// It was written as text.
    #[error("it is encrypted as text for mails (armor)")]
    Armored,
    /// It cannot be read.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// Why a text is not a recipient.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotRecipient {
    /// It is a secret that was about to be stored or shown.
    #[error("this is an identity, which is secret: name its public key, age1…, which `age-keygen -y` prints")]
    Identity,
    /// It is something else.
    #[error("{0} is not a recipient: name a public key as age-keygen prints it, age1…")]
    Other(String),
}

/// A recipient as age writes it: `age1…`.
fn recipient(text: &str) -> Result<x25519::Recipient, NotRecipient> {
    if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err(NotRecipient::Identity);
    }
    text.parse().map_err(|_| NotRecipient::Other(text.to_owned()))
}

/// The identities of a file as `age-keygen` writes it: `AGE-SECRET-KEY-1…`, one per line, with comments. The number of the
/// line that is none.
pub(crate) fn identities(text: &str) -> Result<Vec<x25519::Identity>, usize> {
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(at, line)| line.parse().map_err(|_| at + 1)).collect()
}

impl Lock {
    /// For these recipients; `None`: for there are none.
    pub(crate) fn for_recipients<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Option<Self>, NotRecipient> {
        let recipients = texts.map(recipient).collect::<Result<Vec<_>, _>>()?;
        Ok((!recipients.is_empty()).then_some(Self::Recipients(recipients)))
    }

    /// Begins a file.
    pub(crate) fn begin<W: Write>(&self, output: W) -> io::Result<Locked<W>> {
        let encryptor = match self {
            Self::Recipients(recipients) => {
                let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
                Encryptor::with_recipients(recipients).map_err(io::Error::other)?
            }
            Self::Passphrase(text) => Encryptor::with_user_passphrase(SecretString::from(text.clone())),
        };
        Ok(Locked(encryptor.wrap_output(output)?))
    }
}

impl<W: Write> Locked<W> {
    /// Ends the file, without which it does not open.
    pub(crate) fn end(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Locked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether what is about to be read is such a file.
pub(crate) fn is_locked(input: &mut impl BufRead) -> io::Result<bool> {
    let begins = input.fill_buf()?;
    Ok(begins.starts_with(BEGINNING) || begins.starts_with(ARMORED))
}

impl Keys {
    /// What is in a file.
    pub(crate) fn open<R: BufRead>(&self, mut input: R) -> Result<StreamReader<R>, Closed> {
        let damaged = |error: DecryptError| Closed::Damaged(error.to_string());
        if input.fill_buf().map_err(|error| Closed::Damaged(error.to_string()))?.starts_with(ARMORED) {
            return Err(Closed::Armored);
        }
        let decryptor = Decryptor::new_buffered(input).map_err(damaged)?;
        if decryptor.is_scrypt() {
            let passphrase = self.passphrase.as_ref().ok_or(Closed::NeedsPassphrase)?;
            let identity = scrypt::Identity::new(SecretString::from(passphrase.clone()));
            return decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|error| match error {
                DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
                    Closed::OtherPassphrase
                }
                error => damaged(error),
            });
        }
        if self.identities.is_empty() {
            return Err(Closed::NeedsIdentity);
        }
        let identities = self.identities.iter().map(|identity| identity as &dyn age::Identity);
        decryptor.decrypt(identities).map_err(|error| match error {
            DecryptError::NoMatchingKeys => Closed::OtherRecipients,
            error => damaged(error),
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Keys").field("identities", &self.identities.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// All that a file holds.
    fn read_all(keys: &Keys, file: &[u8]) -> Result<Vec<u8>, Closed> {
        let mut plain = Vec::new();
        let read = keys.open(file)?.read_to_end(&mut plain);
        read.map_err(|error| Closed::Damaged(error.to_string()))?;
        Ok(plain)
    }

    fn locked(lock: &Lock, plain: &[u8]) -> Vec<u8> {
        let mut file = lock.begin(Vec::new()).unwrap();
        file.write_all(plain).unwrap();
        file.end().unwrap()
    }

    #[test]
    fn each_recipient_opens_a_file_and_nobody_else() {
        let [one, two, other] = [(); 3].map(|()| x25519::Identity::generate());
        let recipients = vec![recipient(&one.to_public().to_string()).unwrap(), two.to_public()];
        let plain = vec![7; 200_000];
        let file = locked(&Lock::Recipients(recipients), &plain);
        for identity in [one, two] {
            let keys = Keys { identities: vec![identity], passphrase: None };
            assert_eq!(read_all(&keys, &file).unwrap(), plain);
            assert!(matches!(read_all(&keys, &file[..file.len() - 1]), Err(Closed::Damaged(_))), "cut");
        }
        let others = Keys { identities: vec![other], passphrase: None };
        assert!(matches!(read_all(&others, &file), Err(Closed::OtherRecipients)));
        assert!(matches!(read_all(&Keys::default(), &file), Err(Closed::NeedsIdentity)));
        assert!(is_locked(&mut &file[..]).unwrap() && !is_locked(&mut &b"\x1f\x8b"[..]).unwrap());
    }

    #[test]
    fn a_passphrase_opens_a_file_and_another_one_does_not() {
        let file = locked(&Lock::Passphrase("correct horse battery".to_owned()), b"plain");
        let keys = |text: &str| Keys { identities: Vec::new(), passphrase: Some(text.to_owned()) };
        assert_eq!(read_all(&keys("correct horse battery"), &file).unwrap(), b"plain");
        assert!(matches!(read_all(&keys("correct horse batterie"), &file), Err(Closed::OtherPassphrase)));
        assert!(matches!(read_all(&Keys::default(), &file), Err(Closed::NeedsPassphrase)));
    }

    #[test]
    fn identities_are_read_as_age_keygen_writes_them() {
        use age::secrecy::ExposeSecret as _;
        let identity = x25519::Identity::generate();
        let line = identity.to_string();
        let text = format!("# created: today\n# public key: {}\n{}\n", identity.to_public(), line.expose_secret());
        assert_eq!(identities(&text).unwrap().len(), 1);
        assert_eq!(identities("\nage1something").err(), Some(2));
        assert!(recipient("age1something").is_err() && recipient("ssh-ed25519 AAAA").is_err());
    }
}
