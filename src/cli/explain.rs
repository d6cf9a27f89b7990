//! `interactions explain`: what a list request means, and how the database answers it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::client;
use super::filters::{Filters, SortKeys, request};
use super::{listing, namespace};
use crate::config::DatabaseArgs;
use crate::domain::outline::Outline;
use crate::grpc::explain::{Understood, understand};
use crate::grpc::proto::ListInteractionsRequest;
use crate::repository::{Dialect, Explained};
use crate::server::{self, Migrate};

/// Shows what a list request means, its SQL, and the plan of the database. Lists nothing.
///
/// It works on the database itself, beside a service that runs, and changes nothing.
#[derive(Debug, Args)]
pub(super) struct Explain {
    // Not required by clap, which does not look into the file.
    /// The namespace, by name or id; a client that names none gets the key's default
    #[arg(long, env = "INTERACTIONS_NAMESPACE")]
    namespace: Option<String>,

    /// Fields to sort by, such as -timestamp,position or metadata.price; - is descending
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    sort: Option<SortKeys>,

    /// The most interactions in one page, up to 1,000; 0 is the default of the service
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    page_size: i32,

    /// Explain the page after the one that ended with this token
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,

    /// Read the page, too, and show what that took (PostgreSQL)
    #[arg(long)]
    analyze: bool,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    database: DatabaseArgs,
}

impl Explain {
    /// Runs the command.
    ///
    /// # Errors
    /// When the database cannot be opened, there is no such namespace, or the service would refuse the
    /// request.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { namespace, sort, page_size, page_token, analyze, filters, database } = self;
        let namespace = namespace.context("name what is listed: with --namespace NAME")?;
        let repository = server::open(&database, Migrate::Sqlite).await?;
        let namespace = namespace::find(&repository, &namespace).await?;
        let request = request!(
            ListInteractionsRequest,
            filters,
            sort: sort.map_or_else(Vec::new, |keys| keys.0),
            page_size: page_size,
            page_token: page_token,
            limit: 0,
            skip: 0,
            include_total: false,
            select: Vec::new(),
        );
        let understood = understand(request, &namespace);
        let Understood { query, start, rows } =
            understood.map_err(|error| client::explain(&error.into()))?;
        anyhow::ensure!(
            !analyze || repository.dialect() == Dialect::Postgres,
            "SQLite tells how it would read a page, but not what that took: leave --analyze out"
        );
        let explained = repository.explain(&query, &start, rows, analyze).await?;
        repository.close().await;
        listing::print_line(Outline(&query).to_string().trim_end())?;
        listing::print_line(&statements(&explained))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn statements(explained: &[Explained]) -> String {
    let mut lines = Vec::new();
    if let Some(way) = explained.first().and_then(|first| first.way) {
        lines.extend(["found".to_owned(), format!("  {way}")]);
    }
    for (place, Explained { way: _, statement, plan }) in explained.iter().enumerate() {
        let again = if place == 0 { "" } else { ", where the one before leaves room" };
        lines.push(format!("statement{again}"));
        lines.push(format!("  {statement}"));
        lines.push("plan".to_owned());
        lines.extend(plan.iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}
