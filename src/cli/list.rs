//! `interactions list`: prints interactions as their pages arrive.

pub(super) mod pages;
mod table;

use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;

use super::client::{Connection, explain};
use super::filters::{Filters, SortKeys, request, split_list};
use super::output::Format;
use super::paged::Paged;
use super::stderr::note;
use super::stdout::{Stdout, unless_closed};
use crate::domain::query::MAX_SKIP;
use crate::grpc::page::Page;
use crate::grpc::proto::ListInteractionsRequest;
use pages::Pages;

/// Lists interactions, the newest first unless sorted otherwise.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Fields to sort by, such as -timestamp,position or metadata.price; - is descending
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    sort: Option<SortKeys>,

    /// The most interactions to list; 0 is all
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    limit: i64,

    /// The most interactions in one page, up to 1,000; 0 leaves it to the service
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    page_size: i32,

    /// Continue after the page that ended with this token; all else must be as it was
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,

    /// Pass over so many interactions first
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(i32).range(0..=i64::from(MAX_SKIP)))]
    skip: i32,

    /// Print how many match in all, on standard error
    #[arg(long)]
    total: bool,

    /// Fields to print, such as user_id,metadata.device; interaction_id always comes
    #[arg(long, value_name = "FIELDS")]
    select: Option<Selection>,

    /// How to print them [default: table on a terminal, else jsonl]
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone)]
struct Selection(Vec<String>);

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(split_list(text)?.into_iter().map(str::to_owned).collect()))
    }
}

impl List {
    /// Runs the command.
    ///
    /// # Errors
    /// When the service cannot be reached, refuses the call or breaks off, or the interactions
    /// cannot be printed.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let default = if Stdout::is_terminal() { Format::Table } else { Format::Jsonl };
        let format = self.output.unwrap_or(default);
        let output = Pages::new(Stdout::new(), format, Stdout::columns())?;
        let client = self.connection.connect().await?;
        let (limit, request) = (self.limit, self.request());
        unless_closed(print(Paged::new(client, request), limit, output).await)
    }

    fn request(self) -> ListInteractionsRequest {
        let Self {
            filters,
            sort,
            limit,
            page_size,
            page_token,
            skip,
            total,
            select,
            output: _,
            connection: _,
        } = self;
        request!(
            ListInteractionsRequest,
            filters,
            sort: sort.map_or_else(Vec::new, |keys| keys.0),
            page_size: page_size,
            page_token: page_token,
            limit: limit,
            skip: skip,
            include_total: total,
            select: select.map_or_else(Vec::new, |fields| fields.0),
        )
    }
}

/// Prints pages until the end, and on standard error how to go on where there is more.
async fn print(mut pages: Paged, limit: i64, mut output: Pages<Stdout>) -> anyhow::Result<()> {
    // Of the last page; empty before the first.
    let mut next = String::new();
    loop {
        let page = pages.next().await.map_err(|status| explain(&status));
        let page = page.with_context(|| stopped(output.printed(), &next))?;
        let Page { interactions, next_page_token, total_size } = page;
        output.write(&interactions)?;
        if let Some(total) = total_size {
            note(&format!("total: {total}"));
        }
        next = next_page_token;
        if next.is_empty() {
            break;
        }
        if limit > 0 && i64::try_from(output.printed()).is_ok_and(|printed| printed >= limit) {
            note(&format!("there is more: --page-token {next}"));
            break;
        }
    }
    Ok(output.finish()?)
}

/// How far a list came that broke off, and how to go on.
fn stopped(printed: u64, next: &str) -> String {
    let stopped = format!("stopped after {printed} interactions");
    if next.is_empty() { stopped } else { format!("{stopped} (continue with --page-token {next})") }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::filters::JsonFilter;
    use crate::grpc::proto::{Sort, sort::Direction};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        list: List,
    }

    fn request(arguments: &[&str]) -> Result<ListInteractionsRequest, String> {
        let program = std::iter::once("test");
        let command = Command::try_parse_from(program.chain(arguments.iter().copied()));
        command.map(|command| command.list.request()).map_err(|error| error.to_string())
    }

    #[test]
    fn without_arguments_the_newest_are_listed() {
        let expected = ListInteractionsRequest { limit: 20, ..Default::default() };
        assert_eq!(request(&[]).unwrap(), expected);
    }

    #[test]
    fn every_argument_reaches_the_request() {
        let request = request(&[
            "--execution-id=e",
            "--retriever-id=r",
            "--session-id=s",
            "--user-id=u",
            "--feature-id=f",
            "--type=click",
            r#"--filters={"position":1}"#,
            "--sort",
            r#"-timestamp,metadata."a,-b""#,
            "--search",
            "-blue shoe",
            "--page-size=7",
            "--page-token=t",
            "--limit=0",
            "--skip=3",
            "--total",
            "--select=user_id,metadata.a",
        ]);
        let sort = |field: &str, direction: Direction| Sort {
            field: field.to_owned(),
            direction: direction.into(),
        };
        let expected = ListInteractionsRequest {
            execution_id: "e".to_owned(),
            retriever_id: "r".to_owned(),
            session_id: "s".to_owned(),
            user_id: "u".to_owned(),
            feature_id: "f".to_owned(),
            interaction_type: "click".to_owned(),
            filters: Some(r#"{"position":1}"#.parse::<JsonFilter>().unwrap().0),
            filter: None,
            sort: vec![
                sort("timestamp", Direction::Desc),
                sort(r#"metadata."a,-b""#, Direction::Asc),
            ],
            search: "-blue shoe".to_owned(),
            page_size: 7,
            page_token: "t".to_owned(),
            limit: 0,
            skip: 3,
            include_total: true,
            select: vec!["user_id".to_owned(), "metadata.a".to_owned()],
        };
        assert_eq!(request.unwrap(), expected);
    }

    #[test]
    fn a_condition_is_never_dropped() {
        for argument in ["--user-id=", "--type=", "--filters=", "--search=", "--sort=", "--select="]
        {
            assert!(request(&[argument]).is_err(), "{argument}");
        }
        for argument in ["--limit=-1", "--skip=10001", "--page-size=-1"] {
            assert!(request(&[argument]).is_err(), "{argument}");
        }
    }
}
