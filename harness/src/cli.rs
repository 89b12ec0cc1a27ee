//! The command line. One command per file in `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};

use crate::{
    exit_code,
    scenario::{shard::Shard, units::Span},
};

/// Judges a conversion relay: plays the shopper, the store and the ad platforms around it, and says for each order and
/// platform what the platform would have counted, and why.
#[derive(Debug, Parser)]
#[command(name = "harness", version, max_term_width = 100, after_help = exit_code::list())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Seed that the shipped snapshots were made with.
pub const DEFAULT_SEED: u64 = 1;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play scenarios against a relay and judge it.
    Run(Box<RunArgs>),
    /// List cases, or with --coverage what of the failure catalogue they cover.
    List(ListArgs),
    /// Put reports of several runs side by side; exits with 1 if the last of one relay's is worse than the first.
    Compare(CompareArgs),
    /// Make one run of the JSON reports of all its shards.
    Merge(MergeArgs),
    /// Explain a case, scenario, check, platform rule or catalogue entry.
    Explain(ExplainArgs),
    /// Write a profile for a relay of one's own and a CI workflow, to start from.
    Init(InitArgs),
    /// Examine how a relay and its profile fit together, and say what to change.
    Doctor(DoctorArgs),
    /// Print the JSON Schema of a file that people write, for editors.
    Schema(SchemaArgs),
    /// Make a certificate authority for relays that call the platforms by their own names.
    Ca(CaArgs),
    /// Start the reference relay (the same program as `relay`).
    #[command(disable_help_flag = true)]
    Relay(RelayArgs),
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Base URL of a relay that is running. Default: the profile starts one.
    #[arg(long, value_name = "URL", value_parser = relay_url)]
    pub relay: Option<String>,
    /// Where the ad platforms listen for that relay: it calls http://ADDR/meta, /google_ads, /google_oauth, ... Default: any free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Folder with the authority (`harness ca`) that the relay trusts. Default: one that ends with the run.
    #[arg(long, value_name = "DIR")]
    pub ca: Option<PathBuf>,
    /// How to speak to the relay. Default: the reference relay's.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Which cases.
    #[command(flatten)]
    pub select: Select,
    /// Cases at the same time.
    #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub jobs: u16,
    /// Longest wait for one case, beyond what its scenario declares.
    #[arg(long, default_value = "12s", value_name = "SPAN")]
    pub timeout: Span,
    /// Failures that are known: they do not fail the run, all others do.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write (or renew) such a file from what fails in this run.
    #[command(flatten)]
    pub write_baseline: WriteBaseline,
    /// Folder of payload snapshots. Default: `snapshots` for the reference relay with the default seed, else none.
    #[arg(long, value_name = "DIR")]
    pub snapshots: Option<PathBuf>,
    /// Accept snapshots that are new or changed.
    #[arg(long)]
    pub accept: bool,
    /// What is shown and written.
    #[command(flatten)]
    pub show: Show,
}

/// How a run's outcome is shown.
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Also write a report: json, junit, markdown or text, as KIND=PATH (`-` for standard output).
    #[arg(long = "report", value_name = "KIND=PATH", value_parser = report)]
    pub reports: Vec<(String, PathBuf)>,
    /// Show warnings and passed cases too.
    #[arg(long, short)]
    pub verbose: bool,
    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
}

/// A baseline to be written.
#[derive(Debug, Clone, Args)]
pub struct WriteBaseline {
    /// Write a baseline of everything that fails in this run; entries that it has already keep their words.
    #[arg(id = "write_baseline", long = "write-baseline", value_name = "FILE", requires_all = ["owner", "expires", "reason"])]
    pub file: Option<PathBuf>,
    /// Who sees to the failures, for new entries.
    #[arg(long, requires = "write_baseline", value_parser = NonEmptyStringValueParser::new())]
    pub owner: Option<String>,
    /// Last day on which they count as known, such as 2027-01-31, for new entries.
    #[arg(long, value_name = "DAY", requires = "write_baseline", value_parser = crate::baseline::parse_date)]
    pub expires: Option<time::Date>,
    /// Why they are known, for new entries.
    #[arg(long, requires = "write_baseline", value_parser = NonEmptyStringValueParser::new())]
    pub reason: Option<String>,
}

/// Which cases.
#[derive(Debug, Clone, Args)]
pub struct Select {
    /// Only cases that match: a path like `dedup/*`, `*/meta`, `dedup/thank_you_reload`. May be repeated.
    #[arg(long = "case", value_name = "PATTERN")]
    pub cases: Vec<String>,
    /// Only this platform, or these (a,b). May be repeated.
    #[arg(long = "platform", value_name = "ID", value_delimiter = ',')]
    pub platforms: Vec<String>,
    /// Of the selected cases only this part, such as 2/4: for several machines. A case's part follows from its name alone.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// Folder with scenario files.
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
    /// All generated values (people, orders, click ids) come from it. Default: 1; for a relay at a URL a new one each time,
    /// since such a relay remembers the orders of earlier runs.
    #[arg(long)]
    pub seed: Option<u64>,
}

impl Select {
    /// The seed, if none was chosen for a relay that starts anew.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(DEFAULT_SEED)
    }
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which cases.
    #[command(flatten)]
    pub select: Select,
    /// How to speak to the relay: decides which cases are ruled out.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Entries of the failure catalogue with the cases that cover them.
    #[arg(long)]
    pub coverage: bool,
}

/// Options of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// JSON reports, in order: the first is before, the last is after.
    #[arg(value_name = "RUN.json", required = true)]
    pub reports: Vec<PathBuf>,
    /// How to put it.
    #[arg(long, value_enum, default_value_t = Form::Text, value_name = "FORM")]
    pub format: Form,
    /// Look for a regression even if the first and the last report are of relays with other names.
    #[arg(long)]
    pub regression: bool,
}

/// Options of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The JSON report of each shard.
    #[arg(value_name = "RUN.json", required = true)]
    pub inputs: Vec<PathBuf>,
    /// What is shown and written.
    #[command(flatten)]
    pub show: Show,
}

/// How a comparison is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal.
    Text,
    /// For pull requests and job pages.
    Markdown,
    /// For programs.
    Json,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A case or scenario name, a check, a rule such as META-FBC-FORMAT, or a catalogue entry such as DED-06.
    pub id: String,
    /// Folder with scenario files.
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
}

/// Options of `ca`.
#[derive(Debug, Args)]
pub struct CaArgs {
    /// Folder for ca.pem and ca.key; neither is overwritten.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Options of `init`. On a terminal it asks for what is not given.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// How the store tells of orders.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// How the relay's calls are caught.
    #[arg(long, value_enum)]
    pub capture: Option<CaptureKind>,
    /// Command that starts the relay.
    #[arg(long, value_name = "COMMAND", conflicts_with = "url")]
    pub start: Option<String>,
    /// Where the relay runs already.
    #[arg(long, value_name = "URL", value_parser = relay_url)]
    pub url: Option<String>,
    /// A platform that it delivers to, or several (a,b). May be repeated.
    #[arg(long = "platform", value_name = "ID", value_delimiter = ',')]
    pub platforms: Vec<String>,
    /// Which shops it serves. Default: single if it is started, fixed if it runs already.
    #[arg(long, value_enum)]
    pub shops: Option<ShopsKind>,
    /// Where to write.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Ask nothing.
    #[arg(long, short)]
    pub yes: bool,
    /// Write anew what is there already.
    #[arg(long)]
    pub force: bool,
}

/// How a relay's calls are caught, as profiles write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum CaptureKind {
    /// It is told the platforms' base URLs.
    BaseUrl,
    /// Through a proxy.
    Proxy,
    /// By the platforms' own names.
    Hosts,
}

/// Which shops a relay serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShopsKind {
    /// One, configured at each start.
    Single,
    /// Those that it has.
    Fixed,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// How to speak to the relay. Default: the reference relay's.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Base URL of a relay that is running. Default: the profile starts one.
    #[arg(long, value_name = "URL", value_parser = relay_url)]
    pub relay: Option<String>,
    /// Where the ad platforms listen for that relay. Default: any free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Folder with the authority (`harness ca`) that the relay trusts. Default: one that ends with the examination.
    #[arg(long, value_name = "DIR")]
    pub ca: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of which file.
    #[arg(value_enum)]
    pub of: SchemaOf,
}

/// Files with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A relay's profile.
    Profile,
}

/// Options of `relay`, handed on.
#[derive(Debug, Args)]
pub struct RelayArgs {
    /// See `harness relay --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<std::ffi::OsString>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// If the output is a terminal and NO_COLOR is not set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where a relay listens: a base URL that paths can be put behind.
///
/// # Errors
/// In words with a hint: what keeps it from being one.
pub(crate) fn relay_url(text: &str) -> Result<String, String> {
    let example = "write it like http://127.0.0.1:8080";
    // What is refused here is repeated in the error; a password must not be, so it is refused after this.
    if has_credentials(text) {
        return Ok(text.to_owned());
    }
    let url = match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        // `localhost:80` reads as a URL of the scheme `localhost`.
        Ok(url) if !text.contains("://") => {
            return Err(format!(
                "`{}:` is no scheme\nhint: write it like http://{text}",
                url.scheme()
            ));
        }
        Ok(url) => {
            return Err(format!(
                "a relay speaks http or https, not {}\nhint: {example}",
                url.scheme()
            ));
        }
        Err(error) if text.contains("://") => return Err(format!("{error}\nhint: {example}")),
        Err(_) => return Err(format!("the scheme is missing\nhint: write it like http://{text}")),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "paths are put behind it: no `?` or `#` can stand in it\nhint: {example}"
        ));
    }
    // Commands and workflows hold it as it is.
    let odd = |c: &char| c.is_whitespace() || c.is_control() || "'\"`\\<>{}|^".contains(*c);
    if let Some(odd) = text.chars().find(odd) {
        return Err(format!("{odd:?} has to be percent-encoded in a URL\nhint: {example}"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Refuses a relay's URL that holds a user or password. Not part of its reading: what is refused there is printed whole.
///
/// # Errors
/// In words with a hint, without the URL.
pub(crate) fn holds_no_password(option: &str, url: Option<&str>) -> Result<(), String> {
    match url.is_some_and(has_credentials) {
        false => Ok(()),
        true => Err(format!(
            "{option} takes no user and password: they would stand in every report\nhint: put them into the headers of the profile's calls"
        )),
    }
}

/// True if there are some or, where it is no URL that could tell, may be some.
fn has_credentials(text: &str) -> bool {
    match url::Url::parse(text) {
        Ok(url) if url.has_host() => url.password().is_some() || !url.username().is_empty(),
        _ => text.contains('@'),
    }
}

fn report(text: &str) -> Result<(String, PathBuf), String> {
    let kinds: Vec<_> = crate::report::REPORTS.iter().map(|r| r.id()).collect();
    let known = kinds.join(", ");
    let (kind, path) =
        text.split_once('=').ok_or(format!("write it as KIND=PATH; kinds: {known}"))?;
    if !kinds.contains(&kind) {
        return Err(format!("no report kind `{kind}`; kinds: {known}"));
    }
    if path.is_empty() {
        return Err("the path is missing".to_owned());
    }
    Ok((kind.to_owned(), PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn a_relay_is_named_by_an_http_url_and_a_mistake_is_answered_with_the_right_form() {
        for (text, message) in [
            ("ftp://x", "not ftp\nhint: write it like http://127.0.0.1:8080"),
            ("localhost:80", "hint: write it like http://localhost:80"),
            ("127.0.0.1:8080", "the scheme is missing\nhint: write it like http://127.0.0.1:8080"),
            ("relay.example", "hint: write it like http://relay.example"),
            ("http://", "hint: "),
            ("http://x/?a=b", "no `?`"),
            ("http://x/a b", "' ' has to be percent-encoded"),
            ("http://x/${{ secrets.X }}", "has to be percent-encoded"),
        ] {
            let error = super::relay_url(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
        assert_eq!(super::relay_url("http://x:1/api/").as_deref(), Ok("http://x:1/api"));
        assert_eq!(super::relay_url("https://[::1]:8443").as_deref(), Ok("https://[::1]:8443"));
    }

    #[test]
    fn a_url_with_a_password_is_refused_without_being_repeated() {
        for url in ["http://user:hush@x", "http://hush@x:1/api", "https://:hush@x"] {
            let error = super::holds_no_password("--relay", Some(url)).expect_err(url);
            assert!(error.starts_with("--relay takes") && !error.contains("hush"), "{error}");
            // Whatever else is wrong with it.
            assert!(super::relay_url(&format!("{url}/?a=b")).is_ok(), "{url}");
        }
        for broken in [
            "http://user:hush@x:99999",
            "user:hush@127.0.0.1:8080",
            "//user:hush@x",
            "http://user:hush@",
            "http://user:hush@[::1",
            "http://user:hush@exa mple",
            "http://us@er:hush@x:80 80",
            "http://user:hu/sh@x",
        ] {
            assert!(super::relay_url(broken).is_ok(), "{broken}");
            assert!(super::holds_no_password("--relay", Some(broken)).is_err(), "{broken}");
        }
        assert!(super::holds_no_password("--relay", Some("http://x:1/a@b")).is_ok());
        assert!(super::holds_no_password("--relay", None).is_ok());
    }

    #[test]
    fn unknown_report_kinds_name_the_known_ones() {
        let error = super::report("xml=x").expect_err("xml is no kind");
        assert!(error.contains("junit"), "{error}");
    }
}
