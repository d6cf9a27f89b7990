//! The pages of a list, over as many calls as it takes.

use tonic::{Status, Streaming};

use super::client::Client;
use super::retry::{ATTEMPTS, may_pass, wait};
use crate::grpc::page::Page;
use crate::grpc::proto::ListInteractionsRequest;

/// Reads pages, and where the stream breaks asks for the rest.
pub(super) struct Paged {
    client: Client,
    /// Asks for what follows the last page.
    request: ListInteractionsRequest,
    stream: Option<Streaming<Page>>,
    /// Whether a call is tried again of which no page has come.
    patient: bool,
    /// Failures since the last page.
    failures: u32,
}

impl Paged {
    /// Pages for somebody who waits for the first one, and is told at once why it does not come.
    pub(super) fn new(client: Client, request: ListInteractionsRequest) -> Self {
        Self { client, request, stream: None, patient: false, failures: 0 }
    }

    /// Pages for work that can wait.
    pub(super) fn patient(client: Client, request: ListInteractionsRequest) -> Self {
        Self { patient: true, ..Self::new(client, request) }
    }

    /// The next page. Nothing follows the one without a token, nor the one that meets the limit: not to
    /// be asked for.
    ///
    /// # Errors
    /// When the service refuses the call, or fails again and again.
    pub(super) async fn next(&mut self) -> Result<Page, Status> {
        loop {
            let status = match self.attempt().await {
                Ok(page) => {
                    self.took(&page);
                    return Ok(page);
                }
                Err(status) => status,
            };
            self.failures += 1;
            if !self.patient || self.failures >= ATTEMPTS || !may_pass(&status) {
                return Err(status);
            }
            tracing::debug!(attempt = self.failures, error = %status, "asking for the rest again");
            tokio::time::sleep(wait(self.failures, &status)).await;
        }
    }

    /// The next page of the stream, or of a new one where there is none.
    async fn attempt(&mut self) -> Result<Page, Status> {
        // It is put back only while it lives.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.client.list_interactions(self.request.clone()).await?.into_inner(),
        };
        let page = stream.message().await?;
        // An empty token is the end, or that the limit is met, and after either nobody asks for more.
        let page =
            page.ok_or_else(|| Status::unavailable("the service ended the list too soon"))?;
        self.stream = Some(stream);
        Ok(page)
    }

    /// From here on, asks for what follows `page`.
    fn took(&mut self, page: &Page) {
        let Page { interactions, next_page_token, total_size: _ } = page;
        let request = &mut self.request;
        request.page_token.clone_from(next_page_token);
        let taken = i64::try_from(interactions.len()).unwrap_or(i64::MAX);
        request.limit = request.limit.saturating_sub(taken).max(0);
        (request.skip, request.include_total) = (0, false);
        (self.patient, self.failures) = (true, 0);
    }
}
