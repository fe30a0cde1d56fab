//! orders-rust: the orders of the shop. `GET /orders` takes 2 s for every tenth trace and fails for every hundredth.
//!
//! What a service needs of spanpin is in `Service`: two metrics, one line each to record, and `/metrics`.

mod arguments;
mod http;
mod trace;

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use spanpin::{Counter, Histogram, Registry, ScrapeRequest, Scraper, TraceContext};

use crate::arguments::Arguments;
use crate::http::Request;

const SERVICE: &str = "orders-rust";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Service {
    registry: Registry,
    duration: Histogram,
    errors: Counter,
    log: Mutex<File>,
    spans: Option<Mutex<File>>,
}

impl Service {
    fn new(arguments: &Arguments) -> Outcome<Self> {
        let registry = Registry::new()?;
        let duration = registry
            .histogram("shop_request_duration_seconds", "Time to answer a request.")
            .unit("seconds")
            .labels(&["service", "route"])
            .register()?;
        let errors = registry.counter("shop_errors_total", "Requests that failed.").labels(&["service"]).register()?;
        Ok(Service {
            // A counter that is there before the first error can be used in rate().
            duration: duration.with(&[SERVICE, "/orders"])?,
            errors: errors.with(&[SERVICE])?,
            registry,
            log: Mutex::new(arguments::append_to(&arguments.log)?),
            spans: arguments.spans.as_deref().map(arguments::append_to).transpose()?.map(Mutex::new),
        })
    }

    fn orders(&self, request: &Request, connection: &TcpStream) -> Outcome<()> {
        let (wall, started) = (SystemTime::now(), Instant::now());
        let parent = TraceContext::parse_traceparent(request.header("traceparent")).ok();
        let span = trace::child_of(parent.as_ref());

        let status = look_up_orders(&span);

        let seconds = started.elapsed().as_secs_f64();
        self.duration.observe_trace(seconds, span);
        if status >= 500 {
            self.errors.add_trace(1.0, span);
        }
        self.record(wall, parent, span, seconds, status)?;
        http::answer(connection, status, "application/json", "", format!("{{\"status\":{status}}}\n").as_bytes())?;
        Ok(())
    }

    /// The log line of a request, and its span if the trace is sampled.
    fn record(
        &self,
        start: SystemTime,
        parent: Option<TraceContext>,
        span: TraceContext,
        seconds: f64,
        status: u16,
    ) -> Outcome<()> {
        let start = start.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
        let (trace_id, span_id) = (span.trace_id(), span.span_id());
        let line = format!(
            r#"{{"time":{start:.6},"service":"{SERVICE}","route":"/orders","trace_id":"{trace_id}","span_id":"{span_id}","duration":{seconds:?},"status":{status}}}"#
        );
        append(&self.log, &line)?;
        if let (Some(spans), true) = (&self.spans, span.is_sampled()) {
            let parent = parent.map(|parent| parent.span_id().to_string()).unwrap_or_default();
            let line = format!(
                r#"{{"trace_id":"{trace_id}","span_id":"{span_id}","parent":"{parent}","service":"{SERVICE}","name":"GET /orders","start":{start:.6},"duration":{seconds:?}}}"#
            );
            append(spans, &line)?;
        }
        Ok(())
    }

    /// What identifies a scraper is taken from its request, so that each gets the exemplars since its own last scrape.
    fn metrics(&self, request: &Request, connection: &TcpStream) -> Outcome<()> {
        let peer = connection.peer_addr()?.ip().to_string();
        let scrape = self.registry.scrape(&ScrapeRequest {
            accept: request.header("accept"),
            accept_encoding: request.header("accept-encoding"),
            scraper: Scraper::from_request(
                request.header("user-agent"),
                request.header("x-prometheus-scrape-timeout-seconds"),
                &request.target,
                &peer,
            ),
            ..Default::default()
        })?;
        http::answer(connection, 200, scrape.content_type(), scrape.content_encoding(), scrape.body())?;
        Ok(())
    }

    fn serve(&self, connection: &TcpStream) -> Outcome<()> {
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request = Request::read(connection)?;
        match request.path() {
            "/orders" => self.orders(&request, connection),
            "/metrics" => self.metrics(&request, connection),
            _ => Ok(http::answer(connection, 404, "text/plain", "", b"there are /orders and /metrics\n")?),
        }
    }
}

/// Stands for a database. The trace id decides, so that a whole run can be checked.
fn look_up_orders(span: &TraceContext) -> u16 {
    let draw = trace::draw(span);
    let slow = draw / 100 % 100 < 10;
    let fails = draw / 10_000 % 100 < 1;
    let milliseconds = if slow { 2000 } else { (draw / 1_000_000 % 60).saturating_add(2) };
    thread::sleep(Duration::from_millis(milliseconds));
    if fails { 500 } else { 200 }
}

/// One write, so that lines of several threads do not mix.
fn append(file: &Mutex<File>, line: &str) -> Outcome<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(file.write_all(format!("{line}\n").as_bytes())?)
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse()?;
    let service = Arc::new(Service::new(&arguments)?);
    let listener = TcpListener::bind((arguments.host.as_str(), arguments.port))
        .map_err(|error| format!("{SERVICE} cannot listen on {}:{}: {error}", arguments.host, arguments.port))?;
    println!("{SERVICE} http://{}", listener.local_addr()?);
    for connection in listener.incoming() {
        let (connection, service) = (connection?, Arc::clone(&service));
        thread::spawn(move || {
            if let Err(error) = service.serve(&connection) {
                eprintln!("{SERVICE}: {error}");
            }
        });
    }
    Ok(())
}
