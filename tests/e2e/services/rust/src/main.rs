//! The Rust service of the end-to-end test: OpenTelemetry SDK, the active span
//! taken by the `opentelemetry` feature.

mod http;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracer, SdkTracerProvider};
use spanpin::{CounterFamily, HistogramFamily, Registry, ScrapeRequest, Scraper};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Service {
    registry: Registry,
    duration: HistogramFamily,
    requests: CounterFamily,
    tracer: SdkTracer,
    exporter: InMemorySpanExporter,
}

impl Service {
    fn record(&self, route: &str, seconds: f64) -> Outcome<()> {
        self.duration.with(&[route])?.observe_current(seconds);
        self.requests.with(&[route])?.inc_current();
        Ok(())
    }

    fn work(&self, request: &http::Request) -> Outcome<()> {
        let route = request.query("route").ok_or("no parameter route")?;
        let seconds: f64 = request.query("seconds").ok_or("no parameter seconds")?.parse()?;
        if request.header("traceparent").is_empty() {
            return self.record(route, seconds);
        }
        let parent = TraceContextPropagator::new().extract(&request.headers);
        let span = self
            .tracer
            .span_builder("work")
            .with_attributes([KeyValue::new("route", route.to_owned()), KeyValue::new("seconds", seconds)])
            .start_with_context(&self.tracer, &parent);
        let _active = Context::current_with_span(span).attach();
        self.record(route, seconds)
    }

    fn spans(&self) -> Outcome<String> {
        let mut lines = String::new();
        for span in self.exporter.get_finished_spans()? {
            let (trace_id, span_id) = (span.span_context.trace_id(), span.span_context.span_id());
            write!(lines, r#"{{"trace_id":"{trace_id}","span_id":"{span_id}""#)?;
            for attribute in &span.attributes {
                match &attribute.value {
                    Value::F64(number) => write!(lines, r#","{}":{number:?}"#, attribute.key)?,
                    text => write!(lines, r#","{}":"{text}""#, attribute.key)?,
                }
            }
            lines.push_str("}\n");
        }
        Ok(lines)
    }

    fn serve(&self, connection: &TcpStream) -> Outcome<()> {
        let request = http::Request::read(connection)?;
        match request.path() {
            "/work" => match self.work(&request) {
                Ok(()) => http::answer(connection, 200, "text/plain", "", b"ok\n")?,
                Err(error) => http::answer(connection, 500, "text/plain", "", error.to_string().as_bytes())?,
            },
            "/spans" => http::answer(connection, 200, "application/jsonl", "", self.spans()?.as_bytes())?,
            "/metrics" => {
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
                    deadline_ms: 0,
                })?;
                http::answer(connection, 200, scrape.content_type(), scrape.content_encoding(), scrape.body())?;
            }
            _ => http::answer(connection, 404, "text/plain", "", b"")?,
        }
        Ok(())
    }
}

fn main() -> Outcome<()> {
    let registry = Registry::new()?;
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let service = Arc::new(Service {
        duration: registry
            .histogram("e2e_request_duration_seconds", "Duration of a request.")
            .unit("seconds")
            .labels(&["route"])
            .register()?,
        requests: registry.counter("e2e_requests", "Requests answered.").labels(&["route"]).register()?,
        registry,
        tracer: provider.tracer("e2e"),
        exporter,
    });

    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("PORT {}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        // The test holds the other end of the pipe for as long as it runs.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    for connection in listener.incoming() {
        let (connection, service) = (connection?, Arc::clone(&service));
        std::thread::spawn(move || {
            if let Err(error) = service.serve(&connection) {
                eprintln!("service: {error}");
            }
        });
    }
    Ok(())
}
