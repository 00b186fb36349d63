//! SVG to PNG, with the one font that is built in: no installed font is needed or looked at.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// DejaVu Sans with the letters of the languages along the corridor; its licence lies beside it.
const FONT: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");
/// Pixels of the image for one of the drawing: fine enough to print.
const SHARPNESS: f32 = 1.75;

/// Why a drawing gives no image.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// It is no SVG.
    #[error("the drawing cannot be read: {0}")]
    Drawing(#[from] resvg::usvg::Error),
    /// Its size is none.
    #[error("a drawing of {0} by {1} is no image")]
    Size(f32, f32),
    /// The image cannot be written.
    #[error("the image cannot be packed: {0}")]
    Packing(String),
}

/// The image of an SVG document that this program drew.
///
/// # Errors
///
/// [`PngError`]; what [`Picture::svg`](super::Picture::svg) gives has none.
pub fn png(svg: &str) -> Result<Vec<u8>, PngError> {
    let options = Options {
        fontdb: fonts(),
        font_family: "DejaVu Sans".into(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size();
    let (width, height) = (size.width() * SHARPNESS, size.height() * SHARPNESS);
    let mut image =
        Pixmap::new(whole(width), whole(height)).ok_or(PngError::Size(width, height))?;
    let sharper = Transform::from_scale(SHARPNESS, SHARPNESS);
    resvg::render(&tree, sharper, &mut image.as_mut());
    image
        .encode_png()
        .map_err(|error| PngError::Packing(error.to_string()))
}

fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(FONT.to_vec());
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(load))
}

fn whole(size: f32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held between 0 and 16 384"
    )]
    let whole = size.clamp(0.0, 16_384.0).ceil() as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pixels of an image are not white.
    fn ink(svg: &str) -> usize {
        let image = Pixmap::decode_png(&png(svg).unwrap()).unwrap();
        let white = |pixel: &&resvg::tiny_skia::PremultipliedColorU8| {
            (pixel.red(), pixel.green(), pixel.blue()) != (255, 255, 255)
        };
        image.pixels().iter().filter(white).count()
    }

    fn page(text: &str) -> String {
        let mut canvas = super::super::canvas::Canvas::new();
        canvas.text([5.0, 25.0], super::super::canvas::Anchor::Start, "", text);
        canvas.finish(200.0, 40.0, "page")
    }

    #[test]
    fn letters_of_every_language_of_the_corridor_have_a_shape() {
        assert_eq!(ink(&page("")), 0);
        for letters in [
            "Poti 1550 nm ± µ",
            "Bakı Gəncə Şəki ğöç",
            "ფოთი თბილისი",
            "Актау Қазақ",
            "▲ ◆ –",
        ] {
            assert!(ink(&page(letters)) > 300, "{letters}");
        }
    }

    #[test]
    fn what_is_no_drawing_is_refused() {
        assert!(matches!(png("hello"), Err(PngError::Drawing(_))));
    }
}
