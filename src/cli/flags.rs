//! What the values of flags may be.

use crate::domain::violation::Violations;

/// What `rules` find wrong with flags, all of it as one error.
///
/// # Errors
/// When anything does.
pub(super) fn check(rules: impl FnOnce(&mut Violations)) -> anyhow::Result<()> {
    let mut violations = Violations::default();
    rules(&mut violations);
    let wrong: Vec<_> = violations
        .iter()
        .map(|violation| format!("{} {}", violation.field, violation.description))
        .collect();
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_said() {
        let wrong = check(|violations| {
            violations.add("--name", "takes a name");
            violations.add("--scopes", "takes scopes");
        });
        let text = wrong.unwrap_err().to_string();
        assert_eq!(text, "--name takes a name; --scopes takes scopes");
        assert!(check(|_| {}).is_ok());
    }
}
