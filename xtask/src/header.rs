//! `c-api/include/spanpin.h`, by cbindgen from the sources of c-api.

use crate::generated::{self, Mode};
use crate::project::{Project, Result};
use crate::versions;

const FILE: &str = "c-api/include/spanpin.h";
/// A Go module holds only what lies in its own folder.
const GO_COPY: &str = "go-bindings/internal/capi/spanpin.h";

pub fn run(project: &Project, mode: Mode) -> Result<()> {
    let text = text(project)?;
    generated::file(project, FILE, &text, mode, "header")?;
    if project.path("go-bindings/internal/capi").exists() {
        generated::file(project, GO_COPY, &text, mode, "header")?;
    }
    Ok(())
}

fn text(project: &Project) -> Result<String> {
    let version = versions::workspace(project)?;
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Both,
        usize_is_size_t: true,
        no_includes: true,
        sys_includes: vec!["stddef.h".into(), "stdint.h".into(), "string.h".into()],
        cpp_compat: true,
        documentation_style: cbindgen::DocumentationStyle::C99,
        include_guard: Some("SPANPIN_H".into()),
        line_length: 120,
        header: Some(include_str!("header_top.txt").trim_end().into()),
        after_includes: Some(format!(
            "\n// The version of this header; spanpin_version() is that of the library.\n\
             #define SPANPIN_VERSION \"{}\"\n#define SPANPIN_VERSION_MAJOR {}\n#define SPANPIN_VERSION_MINOR {}\n\
             #define SPANPIN_VERSION_PATCH {}\n",
            version.text, version.major, version.minor, version.patch
        )),
        ..cbindgen::Config::default()
    };
    let bindings = cbindgen::Builder::new()
        .with_src(project.path("c-api/src/lib.rs"))
        .with_config(config)
        .generate()
        .map_err(|e| format!("cbindgen: {e}"))?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let raw = String::from_utf8(bytes).map_err(|_| "cbindgen wrote something that is not UTF-8")?;
    polish(&raw)
}

/// Where the functions begin, and what is put before them needs the types.
const FUNCTIONS: &str = "#ifdef __cplusplus\nextern \"C\" {";

/// Undoes what cbindgen takes over from Rust: `Array<T>`, `Handle<T>` and `Out<T>` are plain pointers for C, and Rust's marks for
/// code mean nothing here.
fn polish(raw: &str) -> Result<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in raw.lines() {
        let mut line = line.trim_end().to_owned();
        let alias = line.contains(" *Array_")
            || line.contains(" *Handle_")
            || line.contains("*Out_")
            || line == "typedef void *Context;";
        if line.starts_with("typedef ") && alias {
            // The alias goes, and its comment with it.
            while lines.last().is_some_and(|line| line.starts_with("//")) {
                lines.pop();
            }
            continue;
        }
        if line.trim_start().starts_with("//") {
            line = line.replace('`', "");
        } else {
            for (alias, before, after) in ALIASES {
                line = expand(&line, alias, before, after);
            }
            line = line.replace("Context context", "void *context");
            if !line.starts_with("typedef struct ") {
                line = line.replace("struct spanpin_", "spanpin_");
            }
            // Rust shares what it changes inside; for C, registering and scraping change the registry.
            line = line.replace("const spanpin_registry *", "spanpin_registry *");
        }
        if !(line.is_empty() && lines.last().is_some_and(String::is_empty)) {
            lines.push(line);
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    let (types, functions) = text.split_once(FUNCTIONS).ok_or("cbindgen wrote no extern \"C\" block")?;
    Ok(format!("{types}{}\n{FUNCTIONS}{functions}", include_str!("header_end.txt")))
}

/// How the names that cbindgen gives to `Out<*mut T>`, `Out<T>` and `Array<T>` are spelled in C. The longer ones first.
const ALIASES: [(&str, &str, &str); 7] = [
    ("Out_____", "", " **"),
    ("Out_f64", "double", " *"),
    ("Out_", "", " *"),
    ("Array_c_char", "const char", " *"),
    ("Array_f64", "const double", " *"),
    ("Array_", "const ", " *"),
    ("Handle_", "const ", " *"),
];

/// Replaces each `aliasNAME ` by `beforeNAMEafter`.
fn expand(line: &str, alias: &str, before: &str, after: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((head, tail)) = rest.split_once(alias) {
        let (name, tail) = tail.split_once(' ').unwrap_or((tail, ""));
        let name = match name {
            "u8" => "uint8_t",
            "i32" => "int32_t",
            name => name,
        };
        text.push_str(head);
        text.push_str(before);
        text.push_str(name);
        text.push_str(after);
        rest = tail;
    }
    text.push_str(rest);
    text
}
