//! The pages of an export, over as many calls as it takes.

use tonic::{Status, Streaming};

use crate::cli::client::Client;
use crate::cli::retry::{ATTEMPTS, may_pass, wait};
use crate::grpc::page::Page;
use crate::grpc::proto::ListInteractionsRequest;

/// Reads pages, and where the stream breaks asks for the rest.
pub(super) struct Pages {
    client: Client,
    /// Asks for what follows the last page.
    request: ListInteractionsRequest,
    stream: Option<Streaming<Page>>,
    /// Failures since the last page.
    failures: u32,
}

impl Pages {
    pub(super) fn new(client: Client, request: ListInteractionsRequest) -> Self {
        Self { client, request, stream: None, failures: 0 }
    }

    /// The next page. The one without a token is the last.
    ///
    /// # Errors
    /// When the service refuses the call, or fails again and again.
    pub(super) async fn next(&mut self) -> Result<Page, Status> {
        loop {
            let status = match self.attempt().await {
                Ok(page) => {
                    self.failures = 0;
                    self.request.page_token.clone_from(&page.next_page_token);
                    return Ok(page);
                }
                Err(status) => status,
            };
            self.failures += 1;
            if self.failures >= ATTEMPTS || !may_pass(&status) {
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
        // Only an empty token is the end, and after it nobody asks for more.
        let page =
            page.ok_or_else(|| Status::unavailable("the service ended the list too soon"))?;
        self.stream = Some(stream);
        Ok(page)
    }
}
