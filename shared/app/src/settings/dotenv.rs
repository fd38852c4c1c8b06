//! The `.env` file. Its reader is dotenvy's; the messages are ours, because dotenvy's quote the line and its secret.

use super::registry::PREFIX;

#[derive(Default)]
pub(crate) struct DotEnv {
    /// In the order of the file; the last one of a name wins.
    pub(crate) entries: Vec<(String, String)>,
    pub(crate) warnings: Vec<String>,
    pub(crate) problems: Vec<String>,
}

pub(crate) fn parse(text: &str) -> DotEnv {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut file = DotEnv::default();
    // The closing line end keeps a last line with trailing blanks readable.
    for entry in dotenvy::from_read_iter(format!("{text}\n").as_bytes()) {
        match entry {
            Ok(entry) => file.entries.push(entry),
            Err(dotenvy::Error::LineParse(fragment, _)) => file.refuse_line(text, &fragment),
            Err(_) => file.problems.push(".env cannot be read".to_owned()),
        }
    }
    file.warnings.extend(dollar_warnings(text));
    file
}

impl DotEnv {
    /// Lines of other programs may be in any dialect; only ours must be readable.
    fn refuse_line(&mut self, text: &str, fragment: &str) {
        // dotenvy gives either the whole line or its value, and no number.
        let start = fragment.lines().next().unwrap_or_default().trim();
        let found = text.lines().enumerate().find(|(_, line)| {
            let value = line.split_once('=').map_or("", |(_, value)| value);
            line.trim_start().starts_with(start) || value.trim_start().starts_with(start)
        });
        match found {
            Some((index, line)) if assigned(line).is_none() => {
                self.warnings.push(format!(".env line {} cannot be read and is ignored", index + 1));
            }
            Some((index, line)) => {
                let name = assigned(line).map(|(name, _)| format!(" ({name})")).unwrap_or_default();
                let advice = "put a value with blanks, quotes or backslashes in single quotes";
                self.problems.push(format!(".env line {}{name} cannot be read; {advice}", index + 1));
            }
            None => self.problems.push(".env has a line that cannot be read".to_owned()),
        }
    }
}

/// dotenvy replaces `$name`, so a password with a dollar sign would silently lose a part.
fn dollar_warnings(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().enumerate().filter_map(|(index, line)| {
        let (name, value) = assigned(line)?;
        let comment = if value.starts_with('"') { None } else { value.find(" #") };
        let bare = value[..comment.unwrap_or(value.len())].replace("\\$", "");
        (!value.starts_with('\'') && bare.contains('$')).then(|| {
            let advice = "put the value in single quotes to keep it as written";
            format!(".env line {}: the $ in {name} stands for another variable; {advice}", index + 1)
        })
    })
}

/// The variable (upper case) and raw value of a line that sets one of our settings.
fn assigned(line: &str) -> Option<(String, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim().to_ascii_uppercase();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (plain && name.starts_with(PREFIX)).then(|| (name, value.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_spellings_are_read() {
        let file = parse("\u{feff}# don't\nexport LLM_API_PORT=1 # why\r\nA='b $c'\nLLM_API_HOST=\"x\"  ");
        let entries: Vec<_> = file.entries.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(entries, [("LLM_API_PORT", "1"), ("A", "b $c"), ("LLM_API_HOST", "x")]);
        assert!(file.warnings.is_empty() && file.problems.is_empty());
    }

    #[test]
    fn a_broken_line_of_ours_is_a_problem_and_is_not_quoted() {
        let file = parse("OTHER=a b\nLLM_API_API_KEY=hunter2 hunter3\nLLM_API_PORT=1\n");
        assert_eq!(file.warnings, [".env line 1 cannot be read and is ignored"]);
        assert_eq!(file.problems.len(), 1);
        assert!(file.problems[0].starts_with(".env line 2 (LLM_API_API_KEY) cannot be read"), "{}", file.problems[0]);
        assert!(!file.problems[0].contains("hunter"));
        assert_eq!(file.entries.len(), 1);
        let unclosed = parse("LLM_API_API_KEY='hunter2\nLLM_API_PORT=1\n");
        assert!(unclosed.problems[0].starts_with(".env line 1 (LLM_API_API_KEY)"), "{}", unclosed.problems[0]);
    }

    #[test]
    fn a_dollar_sign_that_would_be_replaced_is_told() {
        let file = parse("LLM_API_A=pa$word\nLLM_API_B='pa$word'\nLLM_API_C=pa\\$word # not $word\nD=pa$word\n");
        assert_eq!(file.warnings.len(), 1);
        assert!(file.warnings[0].starts_with(".env line 1: the $ in LLM_API_A "), "{}", file.warnings[0]);
        assert_eq!(file.entries[1].1, "pa$word");
        assert_eq!(file.entries[2].1, "pa$word");
    }
}
