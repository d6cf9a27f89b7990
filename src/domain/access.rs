//! Who may do what: namespaces, API keys and their scopes.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::time::Micros;

/// Longest name of a namespace, in bytes.
pub const MAX_NAMESPACE_NAME_BYTES: usize = 63;
/// What a namespace's name may look like, for error messages.
pub const NAMESPACE_NAME_ACCEPTED: &str =
    "1 to 63 lower-case letters, digits and hyphens, and does not start with a hyphen";

/// A namespace, inside the service. Callers know it as `ns_` and sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct NamespaceId(pub i64);

const NAMESPACE_PREFIX: &str = "ns_";

impl fmt::Display for NamespaceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{NAMESPACE_PREFIX}{:016x}", self.0)
    }
}

impl FromStr for NamespaceId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix(NAMESPACE_PREFIX).filter(|digits| digits.len() == 16);
        let id = digits.and_then(|digits| i64::from_str_radix(digits, 16).ok()).map(Self);
        // One spelling for each id.
        id.filter(|id| id.to_string() == text).ok_or(())
    }
}

/// Whether `name` can name a namespace: `[a-z0-9][a-z0-9-]{0,62}`.
#[must_use]
pub fn is_namespace_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NAMESPACE_NAME_BYTES).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
}

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// List, count and get.
    Read,
    /// Record and delete.
    Write,
    /// Manage namespaces and keys.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The scope's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scope = Self::ALL.into_iter().find(|scope| scope.name() == text);
        scope.ok_or_else(|| "scopes are read, write and admin".to_owned())
    }
}

/// What the service knows of an API key; the secret is not among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Public id, 12 characters; part of the key.
    pub key_id: String,
    /// What its owner calls it.
    pub name: String,
    /// The organisation whose namespaces it can reach.
    pub organisation_id: i64,
    /// What it may do; not empty.
    pub scopes: Vec<Scope>,
    /// The namespaces that it is confined to; empty when it reaches all of its organisation.
    pub namespaces: Vec<NamespaceId>,
    /// The namespace of calls that name none.
    pub default_namespace: Option<NamespaceId>,
    /// When it was made.
    pub created_at: Micros,
    /// When it ceases to be valid.
    pub expires_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
    /// When it was last presented, to about a minute.
    pub last_used_at: Option<Micros>,
}

impl ApiKey {
    /// Whether the key is valid at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Micros) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// Whether the key may do what `scope` covers. `admin` covers nothing but itself: a key that
    /// manages keys need not read what people did.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether the key reaches `namespace`, which belongs to the key's organisation.
    #[must_use]
    pub fn reaches(&self, namespace: NamespaceId) -> bool {
        self.namespaces.is_empty() || self.namespaces.contains(&namespace)
    }
}

/// A namespace, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its id.
    pub id: NamespaceId,
    /// The organisation that owns it.
    pub organisation_id: i64,
    /// Its name, unique in the organisation.
    pub name: String,
    /// When it was made.
    pub created_at: Micros,
    /// How long its interactions are kept, in microseconds, from their timestamp on; `None`: for
    /// ever. Within [`RETENTION`].
    pub retention: Option<Micros>,
}

/// How short and how long a retention can be, in microseconds: 1 second to 36,500 days.
pub const RETENTION: RangeInclusive<Micros> = 1_000_000..=36_500 * 24 * 60 * 60 * 1_000_000;

/// The text of an API key: `sk_` and an environment, an underscore, 12 characters of public id, 43
/// of secret (256 bits) and 6 of checksum, all of them letters and digits. Never shown by `Debug`.
#[derive(Debug, Clone)]
pub struct KeySecret(SecretString);

const KEY_PREFIX: &str = "sk_live_";
const KEY_ID_CHARS: usize = 12;
const KEY_SECRET_CHARS: usize = 43;
const KEY_CHECKSUM_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Random bytes that a new key is made from.
pub const KEY_ENTROPY_BYTES: usize = 64;

impl KeySecret {
    /// A new key from random bytes.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; KEY_ENTROPY_BYTES]) -> Self {
        let mut text = String::from(KEY_PREFIX);
        // 64 bytes give 86 base-62 digits; 55 of them are used, which is 327 bits.
        let mut number = entropy.to_vec();
        for _ in 0..KEY_ID_CHARS + KEY_SECRET_CHARS {
            text.push(char::from(ALPHABET[usize::from(divide(&mut number, 62))]));
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self(SecretString::from(text))
    }

    /// Reads a key; `None` when it does not have the form of one or the checksum is wrong, so that
    /// typing errors and random guesses never reach the database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(KEY_PREFIX)?;
        let well_formed = body.len() == KEY_ID_CHARS + KEY_SECRET_CHARS + KEY_CHECKSUM_CHARS
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return None;
        }
        let (unchecked, given) = text.split_at(text.len() - KEY_CHECKSUM_CHARS);
        (checksum(unchecked) == given).then(|| Self(SecretString::from(text)))
    }

    /// The public id inside the key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.0.expose_secret()[KEY_PREFIX.len()..KEY_PREFIX.len() + KEY_ID_CHARS]
    }

    /// What is stored in place of the key. A plain hash suffices: nobody can guess 256 random bits,
    /// so there is nothing for a slow hash to protect.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose_secret()).into()
    }

    /// The key itself, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Divides a big-endian number in place; returns the remainder.
fn divide(number: &mut [u8], divisor: u16) -> u8 {
    let mut remainder = 0u16;
    for digit in number.iter_mut() {
        let value = remainder << 8 | u16::from(*digit);
        *digit = u8::try_from(value / divisor).unwrap_or(u8::MAX);
        remainder = value % divisor;
    }
    u8::try_from(remainder).unwrap_or(u8::MAX)
}

/// The CRC-32 (ISO-HDLC) of `text` in six base-62 digits.
fn checksum(text: &str) -> String {
    let mut crc = crc32fast::hash(text.as_bytes());
    let mut digits = [0u8; KEY_CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(crc % 62) as usize];
        crc /= 62;
    }
    digits.map(char::from).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_one_wrong_character_is_noticed() {
        let mut entropy = [0u8; KEY_ENTROPY_BYTES];
        entropy.iter_mut().zip(7..).for_each(|(byte, value)| *byte = value);
        let key = KeySecret::from_entropy(&entropy);
        let text = key.expose().to_owned();
        assert_eq!(text.len(), 8 + 12 + 43 + 6);
        assert_eq!(KeySecret::parse(&text).unwrap().hash(), key.hash());
        for place in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[place] = if wrong[place] == b'x' { b'y' } else { b'x' };
            assert!(KeySecret::parse(&String::from_utf8(wrong).unwrap()).is_none());
        }
        assert!(!format!("{key:?}").contains(&text[20..]));
    }

    #[test]
    fn the_prefix_stays() {
        // Secret scanners look for it.
        assert!(KeySecret::from_entropy(&[1; KEY_ENTROPY_BYTES]).expose().starts_with("sk_live_"));
    }

    #[test]
    fn namespaces_have_ids_and_names() {
        let id = NamespaceId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "ns_0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["ns_", "ns_123", "ns_0123456789ABCDEF", "ns_+123456789abcdef", "demo"] {
            assert_eq!(wrong.parse::<NamespaceId>(), Err(()), "{wrong}");
        }
        assert!(is_namespace_name("demo") && is_namespace_name("7-b"));
        assert!(!is_namespace_name("Demo") && !is_namespace_name("-a") && !is_namespace_name(""));
    }
}
