//! Namespaces and keys on the command line, without a server and beside one.

use std::process::Command;

use crate::support::database::{TestDatabase, databases};
use crate::support::program::{Server, program, succeed};

/// The program on one database.
struct Shell<'url>(&'url str);

impl Shell<'_> {
    fn command(&self, line: &str) -> Command {
        let mut command = program(&line.split_whitespace().collect::<Vec<_>>());
        command.env("INTERACTIONS_DATABASE_URL", self.0);
        command
    }

    /// Standard output of a command that succeeds.
    fn run(&self, line: &str) -> String {
        succeed(&mut self.command(line))
    }

    /// What a command that fails says.
    fn fails(&self, line: &str) -> String {
        let output = self.command(line).output().unwrap();
        assert!(!output.status.success(), "{line}");
        assert!(output.stdout.is_empty(), "{line}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The row of a table that begins with `id`.
    fn row(&self, line: &str, id: &str) -> String {
        let table = self.run(line);
        let row = table.lines().find(|row| row.starts_with(id));
        row.unwrap_or_else(|| panic!("{id} is not in\n{table}")).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_managed_without_a_server() {
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        database.repository.close().await;
        let shell = Shell(url);
        let id = shell.run("namespace create shop --retention 36h").trim().to_owned();
        assert!(id.parse::<interactions::domain::access::NamespaceId>().is_ok(), "{name}: {id}");
        assert!(shell.fails("namespace create shop").contains("already"));
        for (line, flag) in [
            ("namespace create Shop", "name"),
            ("namespace create other --retention 500ms", "--retention"),
            ("namespace create other --retention 1y", "--retention"),
            ("namespace create other --retention soon", "--retention"),
            ("namespace update shop", "--retention"),
            ("namespace update nowhere --retention 1d", "nowhere"),
            ("namespace get nowhere", "nowhere"),
            ("namespace delete nowhere", "nowhere"),
        ] {
            assert!(shell.fails(line).contains(flag), "{line}");
        }
        let header = shell.run("namespace list").lines().next().unwrap().to_owned();
        assert_eq!(
            header.split_whitespace().collect::<Vec<_>>(),
            ["ID", "NAME", "RETENTION", "CREATED"]
        );
        assert!(shell.row("namespace list", &id).contains("  1d 12h  "));
        assert!(shell.row(&format!("namespace get {id}"), &id).contains("  shop  "));
        assert!(shell.row("namespace update shop --retention none", &id).contains("  none  "));
        assert!(shell.row("namespace update shop --retention 90d", &id).contains("  90d  "));

        let server = Server::start(url);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("one.jsonl");
        std::fs::write(&file, r#"{"interaction_type":["click"]}"#).unwrap();
        succeed(&mut server.client(&["import", file.to_str().unwrap()]));
        assert_eq!(server.stop(), Some(0));
        let refused = shell.fails("namespace delete real");
        assert!(refused.contains("holds interactions") && refused.contains("--force"), "{refused}");
        shell.run("namespace delete real --force");
        shell.run(&format!("namespace delete {id}"));
        assert_eq!(shell.run("namespace list").lines().count(), 1);
        shell.run("namespace create real");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_managed_without_a_server() {
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        database.repository.close().await;
        let shell = Shell(url);
        let namespace = shell.run("namespace create shop").trim().to_owned();
        let create = "key create --name app --scopes write,read --namespace shop --expires 10d";
        let secret = shell.run(create);
        let first = &secret[8..20];
        let row = shell.row("key list", first);
        for part in ["app", "read,write", namespace.as_str(), "never", "valid"] {
            assert!(row.contains(part), "{name}: {part}: {row}");
        }
        let header = shell.run("key list").lines().next().unwrap().to_owned();
        assert!(header.contains("LAST USED"), "{header}");
        let second = shell.run(&format!("key rotate {first} --overlap 0s"));
        let second = &second[8..20];
        assert!(shell.row(&format!("key get {first}"), first).ends_with("expired"));
        assert!(shell.row("key list", second).ends_with("valid"));
        assert!(shell.fails(&format!("key rotate {first}")).contains("not valid"));
        let third = shell.run(&format!("key rotate {second} --overlap 30d --expires 1y"));
        assert!(shell.row("key list", second).ends_with("valid"));
        for _ in 0..2 {
            shell.run(&format!("key revoke {second}"));
            assert!(shell.row("key list", second).ends_with("revoked"));
        }
        for (line, complaint) in [
            (format!("key rotate {} --overlap 31d", &third[8..20]), "--overlap"),
            ("key create --name a --scopes read,read".to_owned(), "--scopes[1]"),
            ("key create --name a --scopes read --namespace nowhere".to_owned(), "nowhere"),
            ("key create --name a --scopes read --expires 0s".to_owned(), "--expires"),
            ("key create --name a --scopes root".to_owned(), "--scopes"),
            ("key get 0123456789ab".to_owned(), "0123456789ab"),
            ("key rotate 0123456789ab".to_owned(), "0123456789ab"),
            ("key revoke 0123456789ab".to_owned(), "0123456789ab"),
        ] {
            assert!(shell.fails(&line).contains(complaint), "{line}");
        }
        // What is shown once is not shown again.
        let everything = shell.run("key list");
        assert!(!everything.contains(&secret[20..40]) && !everything.contains(&third[20..40]));
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_has_written_when_keys_were_used() {
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        database.repository.close().await;
        let server = Server::start(url);
        let key_id = server.key[8..20].to_owned();
        let shell = Shell(url);
        let never = shell.row("key list", &key_id).matches("never").count();
        succeed(&mut server.client(&["count"]));
        assert_eq!(server.stop(), Some(0), "{name}");
        let row = shell.row("key list", &key_id);
        assert_eq!((never, row.matches("never").count()), (2, 1), "{name}: {row}");
        database.remove().await;
    }
}
