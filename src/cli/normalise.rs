//! A command line as engines and people write it, in the one form that argh reads: `--name value`, each option once,
//! global options apart from the verb's.

/// Options before the verb that take a value.
const GLOBAL_VALUES: [&str; 8] = [
    "--root",
    "--host-root",
    "--log",
    "--board",
    "--log-format",
    "--log-level",
    "--cgroup-manager",
    "--criu",
];

/// Options of verbs that take a value; the names mean the same for every verb that has them.
const VERB_VALUES: [&str; 9] = [
    "--board",
    "--bundle",
    "--pid-file",
    "--console-socket",
    "--preserve-fds",
    "--signal",
    "--format",
    "--processor",
    "--firmware",
];

/// Short forms that people know from runc.
const SHORT: [(&str, &str, &str); 11] = [
    ("create", "-b", "--bundle"),
    ("run", "-b", "--bundle"),
    ("spec", "-b", "--bundle"),
    ("run", "-d", "--detach"),
    ("kill", "-a", "--all"),
    ("kill", "-s", "--signal"),
    ("delete", "-f", "--force"),
    ("list", "-q", "--quiet"),
    ("list", "-f", "--format"),
    ("ps", "-f", "--format"),
    ("processors", "-f", "--format"),
];

/// A command line, taken apart.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Line {
    /// Global options, as argh reads them.
    pub global: Vec<String>,
    /// The first word that is no option.
    pub verb: Option<String>,
    /// What follows the verb, as argh reads it.
    pub rest: Vec<String>,
    /// `-h` or `--help` anywhere.
    pub help: bool,
    /// `-v` or `--version` before the verb.
    pub version: bool,
}

/// Takes a command line apart. It cannot fail: what is not understood is left for argh to refuse.
pub fn normalise(args: &[String]) -> Line {
    let mut line = Line::default();
    let mut global = Options::default();
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-h" | "--help" | "--help=true" => line.help = true,
            "-v" | "--version" | "--version=true" => line.version = true,
            option if option.starts_with('-') => global.option(option, &mut words, &GLOBAL_VALUES),
            verb => {
                line.verb = Some(verb.to_owned());
                break;
            }
        }
    }
    let verb = line.verb.clone().unwrap_or_default();
    let mut rest = Options::default();
    while let Some(word) = words.next() {
        let short = SHORT.iter().find(|(of, short, _)| *of == verb && *short == word);
        match word {
            "-h" | "--help" | "--help=true" => line.help = true,
            "--" => {
                rest.literal = true;
                rest.positional.extend(words.by_ref().map(str::to_owned));
            }
            _ if short.is_some() => {
                rest.option(short.map_or(word, |(_, _, long)| long), &mut words, &VERB_VALUES)
            }
            signal if verb == "kill" && is_signal_switch(signal) => {
                rest.set("--signal", Some(signal.trim_start_matches('-').to_owned()));
            }
            option if option.starts_with('-') => rest.option(option, &mut words, &VERB_VALUES),
            positional => rest.positional.push(positional.to_owned()),
        }
    }
    line.global = global.into_args();
    line.rest = rest.into_args();
    line
}

/// `-9`, `-KILL`, `-SIGKILL`, as for kill(1).
fn is_signal_switch(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    })
}

/// Options by name, the last of each, in the order in which they came first.
#[derive(Default)]
struct Options {
    named: Vec<(String, Option<String>)>,
    positional: Vec<String>,
    /// There was a `--`: no positional is an option, whatever it looks like.
    literal: bool,
    /// An option at the very end whose value is missing: kept at the end, so that argh says just that.
    unfinished: Option<String>,
}

impl Options {
    fn option<'a>(&mut self, word: &str, words: &mut impl Iterator<Item = &'a str>, values: &[&str]) {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        // `--rootless` alone or with a value after `=`, never with the next word.
        if name == "--rootless" {
            return self.set(name, Some(inline.unwrap_or_default()));
        }
        if values.contains(&name) {
            match inline.or_else(|| words.next().map(str::to_owned)) {
                Some(value) => self.set(name, Some(value)),
                None => self.unfinished = Some(name.to_owned()),
            }
            return;
        }
        match inline.as_deref() {
            None | Some("true") => self.set(name, None),
            Some("false") => self.named.retain(|(known, _)| known != name),
            // A switch has no other values: left together for argh to refuse.
            Some(_) => self.set(word, None),
        }
    }

    fn set(&mut self, name: &str, value: Option<String>) {
        match self.named.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.named.push((name.to_owned(), value)),
        }
    }

    fn into_args(self) -> Vec<String> {
        let mut args: Vec<String> =
            self.named.into_iter().flat_map(|(name, value)| std::iter::once(name).chain(value)).collect();
        args.extend(self.literal.then(|| "--".to_owned()));
        args.extend(self.positional);
        args.extend(self.unfinished);
        args
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> (String, String, String) {
        let args: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let line = normalise(&args);
        (line.global.join(" "), line.verb.unwrap_or_default(), line.rest.join(" "))
    }

    #[test]
    fn one_form_for_all_spellings() {
        let want = ("--root /r --debug".into(), "create".into(), "--bundle /b id".into());
        assert_eq!(line("--root /r --debug create --bundle /b id"), want);
        assert_eq!(line("--root=/r --debug=true create id --bundle=/b"), want);
        assert_eq!(line("--root /x --debug --root /r create -b /x -b /b id"), want);
    }

    #[test]
    fn what_follows_two_hyphens_is_no_option() {
        assert_eq!(line("create --bundle /b -- id").2, "--bundle /b -- id");
        assert_eq!(line("create x --bundle /b -- -y").2, "--bundle /b -- x -y");
        assert_eq!(line("kill -- -9 --help").2, "-- -9 --help");
    }

    #[test]
    fn switches_can_be_taken_back_and_values_may_hold_an_equals_sign() {
        assert_eq!(line("--debug --debug=false state x").0, "");
        assert_eq!(line("--root=/a=b state x").0, "--root /a=b");
        assert_eq!(line("--rootless state x"), ("--rootless ".into(), "state".into(), "x".into()));
    }

    #[test]
    fn help_and_version_are_switches_as_well() {
        let asks = |text: &str| {
            let line = normalise(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
            (line.help, line.version)
        };
        for help in ["-h", "--help", "--help=true", "create --help=true", "create x -h"] {
            assert_eq!(asks(help), (true, false), "{help}");
        }
        for version in ["-v", "--version", "--version=true"] {
            assert_eq!(asks(version), (false, true), "{version}");
        }
        assert_eq!(asks("--version=false create --help=false"), (false, false));
    }

    #[test]
    fn a_value_that_is_missing_or_a_switch_with_one_is_left_for_argh() {
        assert_eq!(line("create x --bundle").2, "x --bundle", "the missing value is argh's to report");
        assert_eq!(line("delete --force=maybe x").2, "--force=maybe x");
    }
}
