//! Pages for scrapers.

use spanpin::{ScrapeRequest, Scraper};

use crate::boundary::{
    Out, done, handle, place, spanpin_error, spanpin_registry, spanpin_scrape_options, spanpin_scrape_result,
};
use crate::status::spanpin_status;

/// Writes what the registry has recorded, in the format the scraper accepts: OpenMetrics 1.0, which alone has
/// exemplars, or Prometheus text 0.0.4. `options` may be NULL: text, uncompressed, an anonymous scraper.
/// An OpenMetrics scrape closes the window in which the exemplars compete. Threads: any, also at once.
/// Allocates: the page. Ownership: release `*out` with spanpin_scrape_result_free.
/// Returns: SPANPIN_STATUS_OK, NULL_POINTER (`registry`, `out`), INVALID_UTF8, OUT_OF_MEMORY, DEADLINE. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_scrape(
    registry: Option<&spanpin_registry>,
    options: Option<&spanpin_scrape_options>,
    out: Out<'_, spanpin_scrape_result>,
    error: Out<'_, spanpin_error>,
) -> spanpin_status {
    let scrape = || {
        let registry = &handle(registry, "registry")?.registry;
        let out = place(out, "out")?;
        let scrape = match options {
            None => registry.scrape(&ScrapeRequest::default())?,
            Some(options) => {
                let name = options.scraper.bytes("scraper")?;
                let from = [
                    options.user_agent.bytes("user_agent")?,
                    options.scrape_timeout.bytes("scrape_timeout")?,
                    options.path.bytes("path")?,
                    options.peer.bytes("peer")?,
                ];
                // Headers are whatever the network sent; what is not text tells nothing.
                let text = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
                let [user_agent, timeout, path, peer] = from.map(text);
                let scraper = if !name.is_empty() {
                    Scraper::named(options.scraper.text("scraper")?)
                } else if from.iter().all(|part| part.is_empty()) {
                    Scraper::anonymous()
                } else {
                    Scraper::from_request(user_agent, timeout, path, peer)
                };
                registry.scrape(&ScrapeRequest {
                    accept: text(options.accept.bytes("accept")?),
                    accept_encoding: text(options.accept_encoding.bytes("accept_encoding")?),
                    scraper,
                    deadline_ms: options.deadline_ms,
                })?
            }
        };
        let (content_type, content_encoding) = (scrape.content_type(), scrape.content_encoding());
        out.write(spanpin_scrape_result::of(scrape.into_body(), content_type, content_encoding)?);
        Ok(())
    };
    done(scrape(), error)
}

/// Releases a page and clears `*result`, so a second call does nothing; NULL is allowed. Threads: any, one at a time
/// for one page. Ownership: takes the page. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn spanpin_scrape_result_free(result: Option<&mut spanpin_scrape_result>) {
    if let Some(result) = result {
        result.clear();
    }
}
