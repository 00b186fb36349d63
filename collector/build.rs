//! Makes sure that there is a folder to embed, so that the program builds with cargo alone; where
//! the dashboard was not built, the program says so itself.

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=web/dist");
    std::fs::create_dir_all("web/dist")
}
