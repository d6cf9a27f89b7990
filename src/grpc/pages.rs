//! The pages of one list call: a loop of short queries, pulled by the client.
//!
//! Between queries nothing is held: no connection, no transaction, no cursor. The next page is read
//! while the client takes the present one, and no further ahead.

use bytes::Bytes;
use futures::Stream;
use prost::Message as _;
use prost::encoding::encoded_len_varint;
use tokio::sync::mpsc;
use tonic::Status;

use super::access::Access;
use super::attached::attached;
use super::decode::interaction::stored;
use super::decode::list::List;
use super::error::ApiError;
use super::limits::StreamPlace;
use super::metering::METERS;
use super::pace::Pace;
use super::page::Page;
use super::page_token;
use crate::domain::access::NamespaceId;
use crate::domain::query::MAX_PAGE_BYTES;
use crate::domain::sort::Position;
use crate::failpoint::failpoint;
use crate::repository::{self, Repository, Start};

/// Most rows that are asked for before it is known how large rows are: at 256 KiB each, reading
/// ahead must stay bounded.
const FIRST_ROWS: u64 = 256;

/// Reads a list page by page.
pub(super) struct Pages {
    repository: Repository,
    list: List,
    start: Start,
    /// Interactions still to come in this call; `None`: no limit.
    remaining: Option<u64>,
    /// Most rows to ask for at once, by what rows weighed so far.
    rows_at_once: u64,
    total_size: Option<i64>,
}

impl Pages {
    /// Prepares to answer `list`: finds where it starts, and counts where the total is wanted.
    pub(super) async fn open(repository: Repository, list: List) -> Result<Self, ApiError> {
        let mut start = page_token::start(&list.page_token, &list.query)?;
        let total_size = match start {
            None if list.include_total => {
                let total = repository.count(&list.query.selection).await?;
                Some(i64::try_from(total).unwrap_or(i64::MAX))
            }
            None | Some(_) => None,
        };
        let mut remaining = list.limit;
        if list.skip > 0 {
            match repository.nth(&list.query, &start, list.skip.into()).await? {
                Some(record) => start = Some(position(&list, &record)?),
                // Everything is passed over.
                None => remaining = Some(0),
            }
        }
        Ok(Self { repository, list, start, remaining, rows_at_once: FIRST_ROWS, total_size })
    }

    fn namespace(&self) -> NamespaceId {
        self.list.query.selection.namespace
    }

    /// The next page; the one whose token is empty is the last.
    pub(super) async fn next(&mut self) -> Result<Page, ApiError> {
        let wanted = self.remaining.unwrap_or(u64::MAX).min(self.list.page_size.into());
        if wanted == 0 {
            // Only where skipping passed over everything: a limit ends with the page that meets it.
            let total_size = self.total_size.take();
            return Ok(Page {
                interactions: Vec::new(),
                next_page_token: String::new(),
                total_size,
            });
        }
        let records = self.read(wanted).await?;
        let (mut page, end) = self.cut(records, wanted)?;
        let taken = page.interactions.len();
        if end.is_some() {
            self.start = end;
        }
        if let Some(projection) = &self.list.projection {
            for record in &mut page.interactions {
                *record = projection.apply(record).map(Bytes::from).ok_or_else(not_stored)?;
            }
        }
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(taken as u64));
        page.total_size = self.total_size.take();
        Ok(page)
    }

    /// Whether the call goes on after `page`.
    fn goes_on(&self, page: &Page) -> bool {
        !page.next_page_token.is_empty() && self.remaining != Some(0)
    }

    /// Reads one more than `wanted`, to know whether the list goes on; fewer at its end, or when
    /// they weigh more than a page.
    async fn read(&mut self, wanted: u64) -> Result<Vec<Bytes>, ApiError> {
        let mut records = Vec::new();
        let mut weight = 0;
        let mut start = self.start.clone();
        loop {
            let missing = (wanted + 1).saturating_sub(records.len() as u64);
            let limit = missing.min(self.rows_at_once);
            let budget = MAX_PAGE_BYTES.saturating_sub(weight);
            let rows = self.repository.page(&self.list.query, &start, limit, budget).await?;
            let found = rows.len() as u64;
            weight += rows.iter().map(Bytes::len).sum::<usize>();
            records.extend(rows);
            let at_end = found < limit && weight <= MAX_PAGE_BYTES;
            if at_end || weight > MAX_PAGE_BYTES || records.len() as u64 > wanted {
                break;
            }
            let Some(last) = records.last() else { break };
            start = Some(position(&self.list, last)?);
            self.rows_at_once = rows_per_page(weight, records.len());
        }
        self.rows_at_once = rows_per_page(weight, records.len());
        Ok(records)
    }

    /// The page of as many `records` as are `wanted` and fit; if any is left over, with a token, and
    /// beside it the position that the token stands for.
    fn cut(&self, mut records: Vec<Bytes>, wanted: u64) -> Result<(Page, Start), ApiError> {
        let found = records.len();
        records.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        loop {
            let count = records.len();
            let end = match records.last() {
                Some(last) if count < found => Some(position(&self.list, last)?),
                Some(_) | None => None,
            };
            let token = end.as_ref().map(|end| page_token::encode(&self.list.query, end));
            let page = Page {
                interactions: records,
                next_page_token: token.unwrap_or_default(),
                total_size: self.total_size,
            };
            let excess = page.encoded_len().saturating_sub(MAX_PAGE_BYTES);
            if excess == 0 || count <= 1 {
                return Ok((page, end));
            }
            records = page.interactions;
            records.truncate(without(&records, count, excess));
        }
    }
}

/// How many of `count` records are left when enough are dropped to save `excess` bytes; at least 1.
fn without(records: &[Bytes], mut count: usize, excess: usize) -> usize {
    let mut saved = 0;
    while saved < excess && count > 1 {
        count -= 1;
        let length = records[count].len();
        saved += 1 + encoded_len_varint(length as u64) + length;
    }
    count
}

/// How many rows fill a page when they weigh as much as `count` rows did.
fn rows_per_page(weight: usize, count: usize) -> u64 {
    let average = weight / count.max(1) + 1;
    (MAX_PAGE_BYTES / average).max(8) as u64 + 1
}

fn position(list: &List, record: &[u8]) -> Result<Position, ApiError> {
    let interaction = stored(record).ok_or_else(not_stored)?;
    Ok(list.query.sort.position_of(&interaction))
}

fn not_stored() -> ApiError {
    repository::Error::Corrupt("a stored record is no interaction".to_owned()).into()
}

/// What a stream of pages works with.
pub(super) struct Work {
    pub(super) access: Access,
    pub(super) pace: Pace,
    pub(super) _place: StreamPlace,
}

/// Sends `pages` as the client takes them, until the end, the first error, or the pace says so.
pub(super) fn stream(
    mut pages: Pages,
    work: Work,
) -> impl Stream<Item = Result<Page, Status>> + Send {
    let (sender, receiver) = mpsc::channel(1);
    let pump = async move {
        let Work { access, pace, _place } = work;
        // Room first, then the page: otherwise a second one would wait outside of the channel.
        while let Some(room) = pace.room(&sender).await? {
            let page = pace.step(async {
                access.still_in(pages.namespace()).await?;
                failpoint("page").await;
                pages.next().await
            });
            let page = page.await?;
            let goes_on = pages.goes_on(&page);
            METERS.pages.increment(1);
            METERS.listed.increment(page.interactions.len() as u64);
            room.send(page);
            if !goes_on {
                break;
            }
        }
        Ok(())
    };
    attached(receiver, pump)
}
