//! `docs`: keeps the generated tables of `docs/services/*.md` current: which operations are
//! implemented, which are known and not implemented. What stands outside the marks is by hand.

use std::fmt::Write as _;
use std::path::Path;

use crate::model::{self, Model};
use crate::{Failure, read, write};

const BEGIN: &str = "<!-- begin generated: operations -->";
const END: &str = "<!-- end generated -->";

pub(crate) fn run(root: &Path, check: bool) -> Result<String, Failure> {
    let mut stale = Vec::new();
    let ids = model::all(root)?;
    for id in &ids {
        let model = Model::load(root, id)?;
        let path = root.join("docs/services").join(format!("{id}.md"));
        let old = read(&path).unwrap_or_else(|_| {
            let name = model.metadata("serviceId").unwrap_or(id);
            format!("# {name}\n\n{BEGIN}\n{END}\n\n## Deviations\n\nNone known.\n")
        });
        let (head, rest) = old.split_once(BEGIN).ok_or(format!("{id}.md: no begin mark"))?;
        let (_, tail) = rest.split_once(END).ok_or(format!("{id}.md: no end mark"))?;
        let new = format!("{head}{BEGIN}\n{}{END}{tail}", table(&model));
        if read(&path).ok().as_deref() != Some(&new) {
            if check {
                stale.push(path.display().to_string());
            } else {
                write(&path, &new)?;
            }
        }
    }
    if stale.is_empty() {
        Ok(format!("{} service pages current", ids.len()))
    } else {
        Err(format!("not up to date, run `cargo xtask docs`:\n  {}", stale.join("\n  ")))
    }
}

fn table(model: &Model) -> String {
    let (mut done, mut open) = (Vec::new(), Vec::new());
    for (name, _) in model.operations() {
        if model.wanted.operations.contains(name) { done.push(name) } else { open.push(name) }
    }
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\n{} of {} operations are implemented:\n",
        done.len(),
        done.len() + open.len()
    );
    for name in done {
        let _ = writeln!(out, "- `{name}`");
    }
    if !open.is_empty() {
        let names: Vec<String> = open.iter().map(|n| format!("`{n}`")).collect();
        let _ = writeln!(out, "\nThese answer `NotImplemented`: {}.\n", names.join(", "));
    } else {
        out.push('\n');
    }
    out
}
