//! The language of queries, by descent.

use regex::{Regex, RegexBuilder};

use super::lex::{Token, lex};
use super::{Aggregation, Command, Expression, Named, RESULTS_MAX};

const DEPTH_MAX: usize = 30;
const COMMANDS_MAX: usize = 50;
const REGEX_BYTES_MAX: usize = 1 << 20;
const AGGREGATIONS: &[&str] =
    &["avg", "count", "count_distinct", "earliest", "latest", "max", "min", "pct", "stddev", "sum"];
/// Functions, and how many arguments they take.
const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("abs", 1, 1),
    ("ceil", 1, 1),
    ("coalesce", 1, 20),
    ("concat", 1, 20),
    ("floor", 1, 1),
    ("greatest", 1, 20),
    ("isblank", 1, 1),
    ("isempty", 1, 1),
    ("ispresent", 1, 1),
    ("least", 1, 20),
    ("log", 1, 1),
    ("replace", 3, 3),
    ("sqrt", 1, 1),
    ("strcontains", 2, 2),
    ("strlen", 1, 1),
    ("substr", 2, 3),
    ("tolower", 1, 1),
    ("toupper", 1, 1),
    ("trim", 1, 1),
];

pub(crate) fn parse(text: &str) -> Result<Vec<Command>, String> {
    let mut tokens = lex(text)?;
    tokens.reverse();
    let mut parser = Parser { tokens, depth: 0 };
    let mut commands = Vec::new();
    loop {
        commands.push(parser.command()?);
        if parser.tokens.is_empty() {
            return Ok(commands);
        }
        parser.expect("|")?;
        if commands.len() >= COMMANDS_MAX {
            return Err("the query has too many commands".to_owned());
        }
    }
}

struct Parser {
    /// The next one last.
    tokens: Vec<Token>,
    depth: usize,
}

fn regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|_| format!("/{text}/ is no regular expression"))
}

impl Parser {
    fn eat(&mut self, mark: &'static str) -> bool {
        let found = self.tokens.last() == Some(&Token::Mark(mark));
        if found {
            self.tokens.pop();
        }
        found
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), String> {
        if self.eat(mark) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> String {
        match self.tokens.last() {
            Some(token) => format!("unexpected symbol {token:?}"),
            None => "the query ends too early".to_owned(),
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.last(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        if found {
            self.tokens.pop();
        }
        found
    }

    fn any_word(&mut self) -> Result<String, String> {
        match self.tokens.pop() {
            Some(Token::Word(word)) => Ok(word),
            Some(other) => {
                self.tokens.push(other);
                Err(self.unexpected())
            }
            None => Err(self.unexpected()),
        }
    }

    fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut all = vec![one(self)?];
        while self.eat(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn command(&mut self) -> Result<Command, String> {
        let name = self.any_word()?.to_ascii_lowercase();
        Ok(match name.as_str() {
            "fields" => Command::Fields(self.list(Self::named)?),
            "display" => Command::Display(self.list(Self::named)?),
            "filter" => Command::Filter(self.expression()?),
            "dedup" => Command::Dedup(self.list(Self::expression)?),
            "limit" | "head" => match self.tokens.pop() {
                Some(Token::Number(n)) if (1.0..=RESULTS_MAX as f64).contains(&n) => {
                    Command::Limit(n as usize)
                }
                _ => return Err(format!("limit takes a number from 1 to {RESULTS_MAX}")),
            },
            "sort" => Command::Sort(self.list(|parser| {
                let by = parser.expression()?;
                let is_falling = parser.word("desc");
                if !is_falling {
                    parser.word("asc");
                }
                Ok((by, is_falling))
            })?),
            "stats" => {
                let all = self.list(Self::aggregation)?;
                let by = match self.word("by") {
                    true => self.list(Self::named)?,
                    false => Vec::new(),
                };
                Command::Stats(all, by)
            }
            "parse" => self.parse_command()?,
            other => return Err(format!("the command {other} is not known")),
        })
    }

    fn named(&mut self) -> Result<Named, String> {
        let before = self.tokens.clone();
        let of = self.expression()?;
        let taken = before.get(self.tokens.len()..).unwrap_or_default();
        let name = match (self.word("as"), &of) {
            (true, _) => self.any_word()?,
            (false, Expression::Field(name)) => name.clone(),
            _ => shown(taken),
        };
        Ok(Named { name, of })
    }

    fn aggregation(&mut self) -> Result<(Aggregation, String), String> {
        let before = self.tokens.clone();
        let function = self.any_word()?.to_ascii_lowercase();
        if !AGGREGATIONS.contains(&function.as_str()) {
            return Err(format!("the aggregation {function} is not known"));
        }
        self.expect("(")?;
        let mut of = None;
        let mut percent = 0.0;
        if !self.eat(")") {
            if !self.eat("*") {
                of = Some(self.expression()?);
            }
            if function == "pct" {
                self.expect(",")?;
                percent = match self.tokens.pop() {
                    Some(Token::Number(n)) if (0.0..=100.0).contains(&n) => n,
                    _ => return Err("pct takes a field and a percentage".to_owned()),
                };
            }
            self.expect(")")?;
        }
        if of.is_none() && function != "count" {
            return Err(format!("{function} takes a field"));
        }
        let taken = before.get(self.tokens.len()..).unwrap_or_default();
        let name = if self.word("as") { self.any_word()? } else { shown(taken) };
        Ok((Aggregation { function, of, percent }, name))
    }

    fn parse_command(&mut self) -> Result<Command, String> {
        let of = match self.tokens.last() {
            Some(Token::Word(_)) => Expression::Field(self.any_word()?),
            _ => Expression::Field("@message".to_owned()),
        };
        match self.tokens.pop() {
            Some(Token::Regex(text)) => {
                let regex = regex(&text)?;
                let names: Vec<String> =
                    regex.capture_names().flatten().map(str::to_owned).collect();
                if names.is_empty() {
                    return Err("parse with a regular expression names its groups".to_owned());
                }
                // The names may be said once more.
                if self.word("as") {
                    self.list(Self::any_word)?;
                }
                Ok(Command::Parse(of, regex, names))
            }
            Some(Token::Text(glob)) => {
                if !self.word("as") {
                    return Err("parse with a pattern says `as` and names".to_owned());
                }
                let names = self.list(Self::any_word)?;
                let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
                if parts.len() != names.len() + 1 {
                    return Err("parse has as many names as stars".to_owned());
                }
                let last = parts.last().is_some_and(String::is_empty);
                let mut text = String::from("(?s)");
                for (place, part) in parts.iter().enumerate() {
                    if place > 0 {
                        let is_end = last && place == names.len();
                        text.push_str(if is_end { "(.*)" } else { "(.*?)" });
                    }
                    text.push_str(part);
                }
                Ok(Command::Parse(of, self::regex(&text)?, names))
            }
            _ => Err("parse takes a field and a pattern".to_owned()),
        }
    }

    fn expression(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("the expression is nested too deeply".to_owned());
        }
        let mut left = self.both()?;
        while self.word("or") {
            left = call("or", vec![left, self.both()?]);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn both(&mut self) -> Result<Expression, String> {
        let mut left = self.not()?;
        while self.word("and") {
            left = call("and", vec![left, self.not()?]);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, String> {
        let mut count = 0;
        while self.word("not") {
            count += 1;
        }
        let inner = self.comparison()?;
        Ok(if count % 2 == 1 { call("not", vec![inner]) } else { inner })
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.sum()?;
        for mark in ["!=", ">=", "<=", "==", "=", ">", "<"] {
            if self.eat(mark) {
                let name = if mark == "==" { "=" } else { mark };
                return Ok(call(name, vec![left, self.sum()?]));
            }
        }
        let is_negated = self.word("not");
        let found = if self.eat("=~") || self.word("like") {
            match self.tokens.pop() {
                Some(Token::Regex(text)) => Expression::Matches(Box::new(left), regex(&text)?),
                Some(Token::Text(text)) => call("strcontains", vec![left, Expression::Text(text)]),
                _ => return Err("like takes a text or a regular expression".to_owned()),
            }
        } else if self.word("in") {
            self.expect("[")?;
            let mut all = vec![left];
            all.extend(self.list(Self::sum)?);
            self.expect("]")?;
            call("in", all)
        } else if is_negated {
            return Err(self.unexpected());
        } else {
            return Ok(left);
        };
        Ok(if is_negated { call("not", vec![found]) } else { found })
    }

    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        loop {
            let mark = ["+", "-"].into_iter().find(|mark| self.eat(mark));
            match mark {
                Some(mark) => left = call(mark, vec![left, self.product()?]),
                None => return Ok(left),
            }
        }
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.atom()?;
        loop {
            let mark = ["*", "/", "%"].into_iter().find(|mark| self.eat(mark));
            match mark {
                Some(mark) => left = call(mark, vec![left, self.atom()?]),
                None => return Ok(left),
            }
        }
    }

    fn atom(&mut self) -> Result<Expression, String> {
        match self.tokens.pop() {
            Some(Token::Number(number)) => Ok(Expression::Number(number)),
            Some(Token::Text(text)) => Ok(Expression::Text(text)),
            Some(Token::Mark("-")) => match self.tokens.pop() {
                Some(Token::Number(number)) => Ok(Expression::Number(-number)),
                _ => Err(self.unexpected()),
            },
            Some(Token::Mark("(")) => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Word(word)) if self.eat("(") => self.function(&word.to_ascii_lowercase()),
            Some(Token::Word(word)) => Ok(Expression::Field(word)),
            Some(other) => {
                self.tokens.push(other);
                Err(self.unexpected())
            }
            None => Err(self.unexpected()),
        }
    }

    fn function(&mut self, name: &str) -> Result<Expression, String> {
        if name == "bin" {
            let period = self.any_word()?;
            self.expect(")")?;
            return Ok(Expression::Bin(milliseconds(&period)?));
        }
        let arguments = match self.eat(")") {
            true => Vec::new(),
            false => {
                let all = self.list(Self::expression)?;
                self.expect(")")?;
                all
            }
        };
        match FUNCTIONS.iter().find(|(known, ..)| *known == name) {
            Some((_, least, most)) if (*least..=*most).contains(&arguments.len()) => {
                Ok(call(name, arguments))
            }
            Some(_) => Err(format!("the arguments of {name} are wrong")),
            None => Err(format!("the function {name} is not known")),
        }
    }
}

fn call(name: &str, arguments: Vec<Expression>) -> Expression {
    Expression::Call(name.to_owned(), arguments)
}

/// How what stands in the query is called in the answer.
fn shown(taken: &[Token]) -> String {
    let mut out = String::new();
    for token in taken.iter().rev() {
        match token {
            Token::Word(word) => out.push_str(word),
            Token::Number(number) => out.push_str(&number.to_string()),
            Token::Text(text) => out.push_str(&format!("\"{text}\"")),
            Token::Regex(text) => out.push_str(&format!("/{text}/")),
            Token::Mark(mark) => out.push_str(mark),
        }
    }
    out
}

/// `5m`.
fn milliseconds(text: &str) -> Result<i64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = match unit {
        "ms" | "msec" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "w" | "week" | "weeks" => 7 * 86_400_000,
        _ => 0,
    };
    let count: i64 = digits.parse().unwrap_or(0);
    match count.checked_mul(unit) {
        Some(ms) if ms > 0 => Ok(ms),
        _ => Err(format!("{text} is no period")),
    }
}
