//! The examples that end the help text of each command.

use clap::Command;

/// What the program's own help ends with.
const EXIT_STATUS: &str = "\
Exit status:
  0    it did what was asked
  1    it could not, or not all of it; standard error says why
  2    the command line makes no sense
  130  it was stopped before the end, by Ctrl-C or SIGTERM";

/// For each command that does something, how it is called.
const EXAMPLES: [(&str, &[&str]); 31] = [
    (
        "serve",
        &[
            "interactions serve",
            "interactions serve --database-url postgres://service@db/interactions --no-migrate",
            "interactions serve --listen 0.0.0.0:50051 --tls-cert cert.pem --tls-key key.pem",
        ],
    ),
    ("demo", &["interactions demo", "interactions demo --listen 127.0.0.1:50052"]),
    ("migrate", &["interactions migrate", "interactions migrate status"]),
    (
        "migrate up",
        &["interactions migrate up", "interactions migrate up --database-url sqlite:shop.sqlite3"],
    ),
    ("migrate down", &["interactions migrate down", "interactions migrate down --steps 2"]),
    (
        "migrate status",
        &[
            "interactions migrate status",
            "interactions migrate status --database-url sqlite:shop.sqlite3",
        ],
    ),
    (
        "verify",
        &["interactions verify", "interactions verify --database-url sqlite:backup.sqlite3"],
    ),
    (
        "doctor",
        &["interactions doctor", "interactions doctor --tls-cert cert.pem --tls-key key.pem"],
    ),
    (
        "explain",
        &[
            "interactions explain --namespace shop --session-id s-1",
            "interactions explain --namespace shop --sort -metadata.price --analyze",
        ],
    ),
    (
        "namespace create",
        &[
            "interactions namespace create shop",
            "interactions namespace create shop --retention 90d",
        ],
    ),
    (
        "namespace get",
        &["interactions namespace get shop", "interactions namespace get ns_0123456789abcdef"],
    ),
    (
        "namespace list",
        &[
            "interactions namespace list",
            "interactions namespace list --database-url sqlite:shop.sqlite3",
        ],
    ),
    (
        "namespace update",
        &[
            "interactions namespace update shop --retention 36h",
            "interactions namespace update shop --retention none",
        ],
    ),
    (
        "namespace delete",
        &["interactions namespace delete shop", "interactions namespace delete shop --force"],
    ),
    (
        "key create",
        &[
            "interactions key create --name tracker --scopes write --namespace shop",
            "interactions key create --name ops --scopes admin --expires 90d",
        ],
    ),
    (
        "key get",
        &[
            "interactions key get 0123456789ab",
            "interactions key get 0123456789ab --database-url sqlite:shop.sqlite3",
        ],
    ),
    (
        "key list",
        &["interactions key list", "interactions key list --database-url sqlite:shop.sqlite3"],
    ),
    (
        "key rotate",
        &[
            "interactions key rotate 0123456789ab",
            "interactions key rotate 0123456789ab --overlap 2h --expires 1y",
        ],
    ),
    (
        "key revoke",
        &[
            "interactions key revoke 0123456789ab",
            "interactions key revoke 0123456789ab --database-url sqlite:shop.sqlite3",
        ],
    ),
    (
        "import",
        &[
            "interactions import events.jsonl.gz",
            "interactions import events.csv --from-line 10001",
            "interactions import -",
        ],
    ),
    (
        "export",
        &[
            "interactions export all.jsonl",
            "interactions export clicks.csv --type click --sort -timestamp",
            "interactions export all.jsonl --resume",
        ],
    ),
    (
        "list",
        &[
            "interactions list --type click --limit 5",
            r#"interactions list --filters '{"position": {"lte": 5}}' --sort position,-timestamp"#,
            "interactions list --search 'shoe -rack' --select user_id,metadata.title",
        ],
    ),
    (
        "count",
        &[
            "interactions count",
            r#"interactions count --user-id u-7 --filters '{"metadata.price": {"gt": 50}}'"#,
        ],
    ),
    ("get", &["interactions get e-06", "interactions get e-06 --output jsonl"]),
    ("delete", &["interactions delete e-06 e-07", "interactions delete e-06 --allow-missing"]),
    (
        "purge",
        &[
            "interactions purge --user-id u-7 --dry-run",
            "interactions purge --user-id u-7 --yes",
            "interactions purge --all",
        ],
    ),
    (
        "health",
        &[
            "interactions health",
            "interactions health --addr https://db.example.com:50051 --ca ca.pem",
        ],
    ),
    (
        "config",
        &[
            "interactions config",
            "interactions config --check --config /etc/interactions.toml",
            "interactions config --max-calls 512",
        ],
    ),
    (
        "completions",
        &[
            "interactions completions bash > ~/.local/share/bash-completion/completions/interactions",
            "interactions completions zsh > ~/.zfunc/_interactions",
        ],
    ),
    ("man", &["interactions man | man -l -", "interactions man ~/.local/share/man/man1"]),
    ("", &["interactions demo", "interactions serve", "interactions list --type click --limit 5"]),
];

/// The program's command line, with the ends of its help texts.
#[must_use]
pub(super) fn with_examples(command: Command) -> Command {
    let examples = of("").map(|examples| format!("{EXIT_STATUS}\n\n{examples}"));
    below(command.after_help(examples.unwrap_or_default()), "")
}

fn below(command: Command, path: &str) -> Command {
    command.mut_subcommands(|command| {
        let path = format!("{path} {}", command.get_name()).trim_start().to_owned();
        let command = below(command, &path);
        match of(&path) {
            Some(examples) => command.after_help(examples),
            None => command,
        }
    })
}

/// The examples of a command, as its help has them.
fn of(path: &str) -> Option<String> {
    let (_, lines) = EXAMPLES.iter().find(|(of, _)| *of == path)?;
    let lines: String = lines.iter().map(|line| format!("\n  {line}")).collect();
    Some(format!("Examples:{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    /// The paths of all commands that do something by themselves.
    fn commands(command: &Command, path: &str, found: &mut Vec<String>) {
        for command in command.get_subcommands() {
            let path = format!("{path} {}", command.get_name()).trim_start().to_owned();
            commands(command, &path, found);
            if !command.is_subcommand_required_set() {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_command_has_examples_of_itself_that_make_sense() {
        let command = Cli::command_line();
        let mut paths = vec![String::new()];
        commands(&command, "", &mut paths);
        paths.sort();
        let mut known: Vec<_> = EXAMPLES.iter().map(|(path, _)| (*path).to_owned()).collect();
        known.sort();
        assert_eq!(paths, known);
        for (path, lines) in EXAMPLES {
            assert!((2..=3).contains(&lines.len()), "{path}");
            for line in lines {
                assert!(line.starts_with(format!("interactions {path}").trim_end()), "{line}");
                // What follows is the shell's.
                let own = line.split(" > ").next().unwrap().split(" | ").next().unwrap();
                let words = shlex::split(own).unwrap();
                let parsed = command.clone().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn help_ends_with_examples() {
        let mut command = Cli::command_line();
        assert!(command.render_help().to_string().contains("Exit status:"));
        let list = command.find_subcommand_mut("list").unwrap();
        let help = list.render_long_help().to_string();
        assert!(help.trim_end().ends_with("metadata.title"), "{help}");
    }
}
