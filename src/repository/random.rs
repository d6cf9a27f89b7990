//! Random bytes, from the operating system.

use super::Error;

/// So many bytes that nobody can guess.
pub(super) fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Error::Failed(sea_orm::DbErr::Custom(format!("randomness: {error}")))),
    }
}
