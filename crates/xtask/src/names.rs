//! From the names of a model to the names of Rust.

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "if", "impl", "in", "let", "loop", "macro", "match",
    "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while",
    "yield", "abstract", "become", "gen",
];

/// `KMSMasterKeyId` → `kms_master_key_id`.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            if !out.ends_with('_') && !out.is_empty() {
                out.push('_');
            }
            continue;
        }
        let before = i.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(i + 1);
        let starts_word = c.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase()
                    || b.is_ascii_digit()
                    || (b.is_uppercase() && after.is_some_and(|a| a.is_lowercase()))
            });
        // The plural of an acronym (`ARNs`) is one word.
        let plural = after == Some(&'s') && chars.get(i + 2).is_none_or(|c| c.is_uppercase());
        let splits = starts_word && !(plural && before.is_some_and(|b| b.is_uppercase()));
        if splits && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// A field or module name.
pub(crate) fn ident(name: &str) -> String {
    let name = snake(name);
    match name.as_str() {
        "self" | "super" | "crate" => format!("{name}_"),
        keyword if KEYWORDS.contains(&keyword) => format!("r#{name}"),
        _ => name,
    }
}

/// A type name: the model's, beginning with a capital.
pub(crate) fn type_name(name: &str) -> String {
    let mut out = String::new();
    let mut upper = true;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            upper = true;
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    match out.as_str() {
        // Names that generated code uses itself.
        "Body" | "Option" | "Vec" | "String" | "Box" | "Some" | "None" | "Self" => {
            format!("{out}Shape")
        }
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acronyms_stay_together() {
        assert_eq!(snake("KMSMasterKeyId"), "kms_master_key_id");
        assert_eq!(snake("QueueURLs"), "queue_urls");
        assert_eq!(snake("ETag"), "e_tag");
        assert_eq!(snake("SHA256"), "sha256");
        assert_eq!(snake("S3Bucket"), "s3_bucket");
        assert_eq!(snake("CodeSha256"), "code_sha256");
        assert_eq!(snake("MD5OfBody"), "md5_of_body");
        assert_eq!(ident("Type"), "r#type");
    }
}
