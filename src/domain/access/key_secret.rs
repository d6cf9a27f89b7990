//! The text of an API key, and what stands for it where it is stored.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

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

/// Whether `text` has the form of a key's public id.
#[must_use]
pub fn is_key_id(text: &str) -> bool {
    text.len() == KEY_ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
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
    fn the_public_id_is_told_from_other_text() {
        assert!(is_key_id(KeySecret::from_entropy(&[3; KEY_ENTROPY_BYTES]).key_id()));
        for wrong in ["", "short", "0123456789abc", "0123456789é", "0123456789a\0"] {
            assert!(!is_key_id(wrong), "{wrong:?}");
        }
    }
}
