//! The version, which stands in one place: `[workspace.package]` of Cargo.toml.

use crate::project::{self, Project, Result};

/// `major.minor.patch`.
pub struct Version {
    pub text: String,
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

/// The workspace's version.
pub fn workspace(project: &Project) -> Result<Version> {
    let manifest = project::read(&project.path("Cargo.toml"))?;
    let section = manifest
        .split("\n[")
        .find_map(|part| part.strip_prefix("workspace.package]"))
        .ok_or("Cargo.toml has no [workspace.package]")?;
    let text = quoted_after(section, "version").ok_or("[workspace.package] has no version")?;
    let mut numbers = text.split('.').map(|part| part.parse::<u32>());
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => Ok(Version { text, major, minor, patch }),
        _ => Err(format!("the workspace's version {text:?} is not major.minor.patch")),
    }
}

/// The quoted value of the first line `key = "value"` (spaces as you like; a Go constant's line fits as well).
pub fn quoted_after(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("const ").unwrap_or(line);
        let rest = line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim_start();
        rest.strip_prefix('"')?.split('"').next().map(str::to_owned)
    })
}

/// Fails if a file of another language names another version.
pub fn check(project: &Project, faults: &mut Vec<String>) -> Result<usize> {
    let version = workspace(project)?.text;
    let mut compared = 0_usize;
    let mut compare = |place: &str, found: Option<String>| {
        compared = compared.saturating_add(1);
        match found {
            Some(found) if found == version => {}
            Some(found) => faults.push(format!("{place} has version {found}, the workspace {version}")),
            None => faults.push(format!("{place} names no version; it must be {version}")),
        }
    };

    let header = project::read(&project.path("c-api/include/spanpin.h"))?;
    let macro_line = header.lines().find_map(|line| line.strip_prefix("#define SPANPIN_VERSION \""));
    compare("c-api/include/spanpin.h", macro_line.and_then(|rest| rest.split('"').next()).map(str::to_owned));

    for manifest in ["Cargo.toml", "python/pyproject.toml"] {
        let path = project.path(manifest);
        if !path.exists() {
            continue;
        }
        let text = project::read(&path)?;
        if manifest.ends_with("pyproject.toml") {
            // maturin takes the version of the crate when it is declared dynamic.
            let dynamic = text.lines().any(|line| line.starts_with("dynamic") && line.contains("\"version\""));
            let found = if dynamic { Some(version.clone()) } else { quoted_after(&text, "version") };
            compare(manifest, found);
        } else {
            for line in text.lines().filter(|line| line.contains("path = \"") && line.contains("version = \"")) {
                let found = line.split("version = \"").nth(1).and_then(|rest| rest.split('"').next());
                compare(
                    &format!("{manifest}, {}", line.split(' ').next().unwrap_or_default()),
                    found.map(str::to_owned),
                );
            }
        }
    }

    let go = project.path("go-bindings");
    if go.exists() {
        let found = project::files_under(&go, ".go")?
            .iter()
            .filter_map(|path| quoted_after(&project::read(path).ok()?, "Version"))
            .next();
        compare("go-bindings, const Version", found);
    }
    Ok(compared)
}
