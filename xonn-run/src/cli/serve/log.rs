//! A server's log: on standard error, lines for people or JSON for programs.

use std::fmt::{self, Debug, Write};

use clap::{Args, ValueEnum};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{self as lines, FmtContext};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::cli::failure::{Failure, Kind};

/// How much is logged, and how.
#[derive(Args, Clone, Copy)]
pub struct Log {
    /// Log as lines for people or as JSON, one object a line, on standard error
    #[arg(long, value_name = "text|json", default_value = "text", hide_possible_values = true)]
    log: Format,
    /// Log details: who connects, who gets a place and when. RUST_LOG=debug does the same
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// What a line of a log looks like.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Log {
    /// Whether it is for programs.
    pub fn json(self) -> bool {
        self.log == Format::Json
    }

    /// From now on what is logged goes to standard error. If nobody reads it, it is lost: a server must not
    /// end because its log does.
    ///
    /// # Errors
    /// If `RUST_LOG` is no filter.
    pub fn start(self) -> Result<(), Failure> {
        let level = if self.verbose == 0 { LevelFilter::INFO } else { LevelFilter::DEBUG };
        let filter = match std::env::var("RUST_LOG") {
            Ok(text) if !text.is_empty() => text.parse::<Targets>().map_err(|error| {
                let told = format!("RUST_LOG: \"{text}\" is no filter of a log, such as debug: {error}");
                Failure::new(Kind::Usage, told)
            })?,
            _ => Targets::new().with_default(level),
        };
        let layer = lines::layer().with_writer(std::io::stderr).log_internal_errors(false).with_ansi(false);
        let layer = match self.log {
            Format::Text => layer.event_format(Lines).boxed(),
            Format::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
        };
        let all = tracing_subscriber::registry().with(layer.with_filter(filter));
        // A process serves once; in tests another one may have come first.
        let _ = tracing::subscriber::set_global_default(all);
        Ok(())
    }
}

/// `#3 192.0.2.7:4711: what happened`, with the level in front if it is not the usual one. Whoever keeps the
/// log adds the time.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        to.write_str(match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO => "",
            Level::DEBUG => "debug: ",
            Level::TRACE => "trace: ",
        })?;
        if !line.connection.is_empty() {
            write!(to, "#{} ", line.connection)?;
        }
        if !line.peer.is_empty() {
            write!(to, "{}: ", line.peer)?;
        }
        writeln!(to, "{}", line.message)
    }
}

/// What of an event is for people.
#[derive(Default)]
struct Line {
    connection: String,
    peer: String,
    message: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let to = match field.name() {
            "connection" => &mut self.connection,
            "peer" => &mut self.peer,
            "message" => &mut self.message,
            _ => return,
        };
        // A string takes any text.
        let _ = write!(to, "{value:?}");
    }
}
