//! How the report looks: on a screen, and on A4 in black and white.

/// The style sheet.
pub(super) const SHEET: &str = "
@page { size: A4; margin: 14mm 13mm }
* { box-sizing: border-box }
body { font: 10pt/1.4 'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif; color: #111; background: #fff;
  max-width: 190mm; margin: 8mm auto; padding: 0 4mm }
h1 { font-size: 17pt; margin: 0 0 3mm; padding-bottom: 2mm; border-bottom: 1.2mm solid #0b3c6f }
h1 span { font-weight: normal; font-size: 12pt; color: #444; margin-left: 3mm }
h2 { font-size: 12.5pt; margin: 7mm 0 2mm; border-bottom: .3mm solid #999; padding-bottom: 1mm; break-after: avoid }
h3 { font-size: 10pt; margin: 4mm 0 1mm; color: #333; break-after: avoid }
dl { display: grid; grid-template-columns: 1fr 1fr; gap: 0 8mm; margin: 0 0 4mm }
dl div { display: flex; border-bottom: .2mm solid #ddd; padding: .6mm 0 }
dt { width: 30mm; flex: none; color: #555 }
dd { margin: 0; overflow-wrap: anywhere }
.verdict { display: flex; align-items: center; gap: 6mm; border: .6mm solid #111; padding: 2.5mm 5mm; margin: 4mm 0 }
.verdict b { font-size: 18pt; letter-spacing: .5mm }
.verdict p { margin: 0 }
.verdict.pass { border-color: #00724f } .verdict.pass b { color: #00724f }
.verdict.fail { border-color: #b00000; border-width: 1.2mm } .verdict.fail b { color: #b00000 }
.verdict.near { border-style: dashed }
table { border-collapse: collapse; width: 100%; font-size: 8.5pt; margin: 1mm 0 }
table.slim { width: auto; min-width: 90mm }
thead { display: table-header-group }
th { text-align: right; font-weight: normal; color: #555; border-bottom: .3mm solid #777; padding: .6mm 1.6mm;
  vertical-align: bottom }
td { text-align: right; padding: .45mm 1.6mm; border-bottom: .15mm solid #e2e2e2; white-space: nowrap;
  font-variant-numeric: tabular-nums }
td.name, th.name { text-align: left; white-space: normal; min-width: 34mm }
tr { break-inside: avoid }
small { color: #666 }
td.pass { color: #00724f } td.near { font-style: italic } td.open { color: #999 }
td.fail { color: #fff; background: #b00000; font-weight: bold; text-align: center; print-color-adjust: exact;
  -webkit-print-color-adjust: exact }
tr.missing td { background: #f4f4f4 }
.beyond { margin: 0 0 3mm; padding-left: 6mm; font-weight: bold }
.note { margin: 1mm 0; padding-left: 3mm; border-left: .8mm solid #888; color: #333; font-size: 9pt }
figure { margin: 3mm 0; break-inside: avoid }
figure svg { width: 100%; height: auto; border: .2mm solid #ccc }
figcaption { font-size: 8.5pt; color: #555 }
.sign { display: flex; gap: 8mm; margin-top: 16mm; break-inside: avoid }
.sign span { flex: 1; border-top: .3mm solid #111; padding-top: 1mm; font-size: 8.5pt; color: #555 }
footer { margin-top: 6mm; font-size: 8pt; color: #777; text-align: right }
@media print { body { margin: 0; max-width: none; padding: 0 } }
";
