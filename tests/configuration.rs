//! What the program runs with, as its users set it: by flags, variables and a file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::program::{Server, program, succeed};

const PASSWORD: &str = "Pa55wordOfTheDatabase";
const SECRET: &str = "sk_live_SecretOfTheKey";

/// A configuration file that is gone when this is dropped.
struct ConfigFile {
    path: PathBuf,
    _directory: TempDir,
}

impl ConfigFile {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        Self { path, _directory: directory }
    }

    /// A command that is told of the file.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.env("INTERACTIONS_CONFIG", &self.path);
        command
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// The line of a key, or of the comment that stands for it.
fn line_of<'t>(config: &'t str, key: &str) -> &'t str {
    let of_key = |line: &&str| {
        let name = line.strip_prefix("# ").unwrap_or(line);
        name.strip_prefix(key).is_some_and(|rest| rest.starts_with(' '))
    };
    let lines: Vec<_> = config.lines().filter(of_key).collect();
    assert_eq!(lines.len(), 1, "{key}: {config}");
    lines[0]
}

/// What a command says that has to fail.
#[track_caller]
fn failure(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{command:?}: {stderr}");
    assert!(stdout.is_empty() && stderr.starts_with("error: "), "{command:?}: {stderr}");
    stderr
}

/// Each of the four sources against each below it, for every kind of setting.
#[test]
fn flags_count_for_more_than_variables_files_and_defaults() {
    // Key, flag, variable, and the value of each as TOML has it.
    let settings = [
        (
            ["listen", "--listen=127.0.0.1:1", "INTERACTIONS_LISTEN", "127.0.0.1:2"],
            ["\"127.0.0.1:1\"", "\"127.0.0.1:2\"", "\"127.0.0.1:3\"", "\"127.0.0.1:50051\""],
        ),
        (["max_calls", "--max-calls=1", "INTERACTIONS_MAX_CALLS", "2"], ["1", "2", "3", "256"]),
        (
            ["insecure", "--insecure", "INTERACTIONS_INSECURE", "no"],
            ["true", "false", "true", "false"],
        ),
        (
            [
                "cors_origin",
                "--cors-origin=http://a",
                "INTERACTIONS_CORS_ORIGIN",
                "http://b,http://c",
            ],
            ["[\"http://a\"]", "[\"http://b\", \"http://c\"]", "[\"http://d\", \"*\"]", ""],
        ),
        (
            ["namespace", "--namespace=a", "INTERACTIONS_NAMESPACE", "b"],
            ["\"a\"", "\"b\"", "\"c\"", ""],
        ),
    ];
    for ([key, flag, variable, in_variable], [by_flag, by_variable, in_file, by_default]) in
        settings
    {
        let file = ConfigFile::new(&format!("{key} = {in_file}\n"));
        for sources in 0..8_u8 {
            let [with_flag, with_variable, with_file] = [4, 2, 1].map(|bit| sources & bit != 0);
            let mut command = program(&["config"]);
            if with_file {
                command.arg("--config").arg(&file.path);
            }
            if with_variable {
                command.env(variable, in_variable);
            }
            if with_flag {
                command.arg(flag);
            }
            let expected = if with_flag {
                let name = flag.split('=').next().unwrap();
                format!("{key} = {by_flag}  # flag {name}")
            } else if with_variable {
                format!("{key} = {by_variable}  # variable {variable}")
            } else if with_file {
                format!("{key} = {in_file}  # file {}", file.place())
            } else if by_default.is_empty() {
                format!("# {key} is not set")
            } else {
                format!("{key} = {by_default}  # default")
            };
            let config = succeed(&mut command);
            assert_eq!(line_of(&config, key), expected, "{sources:03b}");
        }
    }
}

/// What is shown is what counts: a server and its client find each other by nothing but the file.
#[test]
fn a_server_and_its_client_run_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("x.sqlite3").display());
    let server = Server::start(&url);
    let Server { address, key, namespace, .. } = &server;
    let text = format!("addr = '{address}'\nkey = '{key}'\nnamespace = '{namespace}'\n");
    let file = ConfigFile::new(&text);
    assert_eq!(succeed(&mut file.program(&["count"])), "0\n");
    // Behind the flag of the command and before it.
    let path = file.place();
    assert_eq!(succeed(&mut program(&["--config", &path, "count"])), "0\n");
    assert_eq!(succeed(&mut program(&["count", "--config", &path])), "0\n");
    let error = failure(file.program(&["count"]).env("INTERACTIONS_NAMESPACE", "other"));
    assert!(error.contains("not open to this API key"), "{error}");
    // The server's own: its address is taken, so it gets as far as that.
    let text = format!("listen = '{address}'\ndatabase_url = '{url}-2'\n");
    let file = ConfigFile::new(&text);
    let error = failure(file.program(&["serve"]).env("INTERACTIONS_LOG", "warn"));
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
    // Other commands are not confused by flags of the same name without a variable.
    let file = ConfigFile::new(&format!("namespace = 'no-such'\ndatabase_url = '{url}'"));
    succeed(&mut file.program(&["key", "create", "--name", "a", "--scopes", "read"]));
}

#[test]
fn the_file_of_the_user_is_found_unless_another_is_named() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("interactions")).unwrap();
    let path = home.path().join("interactions/config.toml");
    std::fs::write(&path, "max_calls = 5\n").unwrap();
    let config = || {
        let mut command = program(&["config"]);
        command.env("XDG_CONFIG_HOME", home.path());
        command
    };
    let found = format!("max_calls = 5  # file {}", path.display());
    assert_eq!(line_of(&succeed(&mut config()), "max_calls"), found);
    let other = ConfigFile::new("");
    let named = succeed(config().env("INTERACTIONS_CONFIG", &other.path));
    assert_eq!(line_of(&named, "max_calls"), "max_calls = 256  # default");
    let flag = succeed(config().args(["--config", "/dev/null"]).env("INTERACTIONS_CONFIG", "x"));
    assert_eq!(line_of(&flag, "max_calls"), "max_calls = 256  # default");
}

#[test]
fn a_file_that_is_named_and_missing_is_an_error() {
    for command in [&["config"][..], &["config", "--check"], &["serve"], &["count"]] {
        let error = failure(program(command).env("INTERACTIONS_CONFIG", "/no/such.toml"));
        assert!(error.contains("cannot read the configuration file /no/such.toml"), "{error}");
        let error = failure(program(command).args(["--config", "/no/such.toml"]));
        assert!(error.contains("No such file"), "{error}");
    }
    // Nor is a directory a file.
    let error = failure(&mut program(&["config", "--config", "/tmp"]));
    assert!(error.contains("/tmp"), "{error}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_before_anything_is_done() {
    for (text, line, words) in [
        ("max_cals = 1", 1, "unknown key \"max_cals\"; did you mean max_calls?"),
        ("\n[server]", 2, "unknown key \"server\""),
        ("config = 'x'", 1, "unknown key \"config\""),
        ("limit = 5", 1, "unknown key \"limit\""),
        ("\n\nmax_calls = 'many'", 3, "max_calls takes a number, not text"),
        ("max_calls = 0", 1, "\"0\" is no value for max_calls: "),
        ("insecure = 1", 1, "insecure takes true or false, not a number"),
        ("listen = 50051", 1, "listen takes text, not a number"),
        ("listen = 'localhost'", 1, "\"localhost\" is no value for listen: "),
        ("namespace = ['a']", 1, "namespace takes text, not such a list"),
        ("cors_origin = 'http://a'", 1, "cors_origin takes a list of texts, not text"),
        ("cors_origin = ['http://a', 5]", 1, "cors_origin takes a list of texts, not such a list"),
        (
            "cors_origin = ['http://a', 'b']",
            1,
            "\"b\" is no value for cors_origin: takes an origin",
        ),
        ("max_calls = 1\nmax_calls = 2", 2, "duplicate key"),
        ("max_calls", 1, ""),
    ] {
        let file = ConfigFile::new(text);
        let place = format!("error: {}:{line}: ", file.place());
        // Commands too that have no use for the key.
        for command in [&["config"][..], &["config", "--check"], &["serve"], &["list"], &["health"]]
        {
            let error = failure(&mut file.program(command));
            assert!(error.starts_with(&place) && error.contains(words), "{text}: {error}");
        }
    }
    let sound = ConfigFile::new("max_calls = 1");
    assert_eq!(succeed(&mut sound.program(&["config", "--check"])), "");
    // Of a command line that makes no sense, that is said.
    let broken = ConfigFile::new("broken");
    let output = broken.program(&["list", "--nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = sound.program(&["config"]).env("INTERACTIONS_MAX_CALLS", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    succeed(&mut broken.program(&["list", "--help"]));
}

#[test]
fn certificates_in_a_file_are_never_left_unused() {
    for (text, missing) in [
        ("tls_cert = 'a.pem'", "--tls-key"),
        ("tls_key = 'a.pem'", "--tls-cert"),
        ("tls_client_ca = 'a.pem'", "--tls-cert"),
    ] {
        let error = failure(&mut ConfigFile::new(text).program(&["serve"]));
        assert!(error.contains(missing), "{error}");
    }
    let file = ConfigFile::new("tls_key = '/no/key.pem'");
    let error = failure(&mut file.program(&["serve", "--tls-cert", "/no/cert.pem"]));
    assert!(error.contains("/no/cert.pem"), "one of each is both: {error}");
}

#[test]
fn secrets_are_not_shown() {
    let url = format!("postgres://user:{PASSWORD}@host/database");
    let file = ConfigFile::new(&format!("database_url = '{url}'\nkey = '{SECRET}'\n"));
    let mut variables = program(&["config"]);
    variables.env("INTERACTIONS_DATABASE_URL", &url).env("INTERACTIONS_API_KEY", SECRET);
    let mut flags = program(&["config", "--key", SECRET, "--database-url", &url]);
    for command in [&mut file.program(&["config"]), &mut variables, &mut flags] {
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
        let config = String::from_utf8(stdout).unwrap();
        assert!(!config.contains(PASSWORD) && !config.contains(SECRET), "{config}");
        let shown = "# database_url = \"postgres://host:5432/database\"  # ";
        assert!(line_of(&config, "database_url").starts_with(shown), "{config}");
        assert!(line_of(&config, "key").starts_with("# key = \"…\"  # "), "{config}");
        assert!(line_of(&config, "key").ends_with("; hidden"), "{config}");
    }
    // Nor in what is wrong with a file.
    for text in
        [format!("keys = '{SECRET}'"), format!("key = {SECRET}"), format!("key = '{SECRET}")]
    {
        let error = failure(&mut ConfigFile::new(&text).program(&["list"]));
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn whoever_lets_everybody_read_a_secret_is_told() {
    let warning = |text: &str, mode| {
        let file = ConfigFile::new(text);
        std::fs::set_permissions(&file.path, Permissions::from_mode(mode)).unwrap();
        let output = file.program(&["config", "--check"]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let key = format!("key = '{SECRET}'");
    let password = format!("database_url = 'postgres://user:{PASSWORD}@host/database'");
    for secret in [&key, &password] {
        let said = warning(secret, 0o644);
        assert!(said.starts_with("warning: ") && said.lines().count() == 1, "{said}");
        assert_eq!(warning(secret, 0o640), "");
    }
    assert_eq!(warning("database_url = 'sqlite:a.sqlite3'\nmax_calls = 3", 0o644), "");
}

/// Everything set, by every way, and the output of it as the only source.
#[test]
fn what_config_prints_sets_the_same() {
    let file = ConfigFile::new(
        "cors_origin = ['http://a', '*']\nmax_calls = 0x10\ntls_cert = 'a \"b\" # \\ é.pem'\ninsecure = true\n",
    );
    let mut command = file.program(&["config", "--writing-streams", "007"]);
    command
        .env("INTERACTIONS_NAMESPACE", "")
        .env("INTERACTIONS_CA", "tab\tline\nescape\u{1b}\u{7f}");
    command.env("INTERACTIONS_DATABASE_URL", "sqlite:a b.sqlite3");
    let first = succeed(&mut command);
    for (key, value) in [
        ("max_calls", "16"),
        ("cors_origin", r#"["http://a", "*"]"#),
        ("tls_cert", r#""a \"b\" # \\ é.pem""#),
        ("insecure", "true"),
        ("writing_streams", "7"),
        ("namespace", "\"\""),
        ("database_url", "\"sqlite:a b.sqlite3\""),
    ] {
        let line = line_of(&first, key);
        assert!(line.starts_with(&format!("{key} = {value}  # ")), "{line}");
    }
    let again = ConfigFile::new(&first);
    let second = succeed(&mut again.program(&["config"]));
    let values = |config: &str| -> Vec<String> {
        config
            .lines()
            .map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value).to_owned())
            .collect()
    };
    assert_eq!(values(&first), values(&second));
    let of_file = format!("  # file {}", again.place());
    for line in second.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.ends_with(&of_file), "{line}");
    }
}

#[test]
fn the_filter_of_the_log_is_shown() {
    let config = succeed(program(&["config"]).env("INTERACTIONS_LOG", "warn"));
    assert!(config.contains("# INTERACTIONS_LOG is \"warn\"\n"), "{config}");
}

/// Whatever is in a file of examples is one.
#[test]
fn the_example_of_the_documentation_is_sound() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(example.lines().count() > 5, "{example}");
    let config = succeed(&mut ConfigFile::new(example).program(&["config"]));
    for line in example.lines().filter(|line| line.contains(" = ")) {
        let found = line_of(&config, line.split(' ').next().unwrap());
        assert!(found.contains("  # file "), "{found}");
    }
}
