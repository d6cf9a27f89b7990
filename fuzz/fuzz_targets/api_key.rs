//! API keys: what reads as one stands for itself alone, and `Debug` does not show it.

#![no_main]

use interactions::domain::access::{KEY_ENTROPY_BYTES, KeySecret, is_key_id};
use libfuzzer_sys::fuzz_target;

/// Of the secret, what is shown by nothing.
const SECRET_PLACE: usize = 20;

fuzz_target!(|bytes: &[u8]| {
    if let Some(key) = std::str::from_utf8(bytes).ok().and_then(KeySecret::parse) {
        assert_eq!(key.expose().as_bytes(), bytes);
        assert_sound(&key);
    }
    // No input guesses a checksum, so keys are made of it too.
    let Some((entropy, [place, byte, ..])) = bytes.split_first_chunk::<KEY_ENTROPY_BYTES>() else {
        return;
    };
    let key = KeySecret::from_entropy(entropy);
    assert_sound(&key);
    let mut changed = key.expose().as_bytes().to_vec();
    let place = usize::from(*place) % changed.len();
    let differs = changed[place] != *byte;
    changed[place] = *byte;
    if differs && let Ok(changed) = std::str::from_utf8(&changed) {
        assert!(KeySecret::parse(changed).is_none(), "a changed key reads as a key");
    }
});

fn assert_sound(key: &KeySecret) {
    let text = key.expose();
    let again = KeySecret::parse(text).unwrap();
    assert_eq!((again.hash(), again.key_id()), (key.hash(), key.key_id()));
    assert!(is_key_id(key.key_id()));
    assert!(!format!("{key:?}{key:#?}").contains(&text[SECRET_PLACE..SECRET_PLACE + 8]));
}
