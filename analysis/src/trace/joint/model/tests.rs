//! Light of known unknowns.

use super::*;

fn model() -> (Model, Vec<f64>) {
    let layout = Layout::new(
        &[0.0, 1_000.0, 1_300.0],
        &[[false, false], [true, true]],
        &[false, true],
        true,
    );
    let block = |i: u32| Block {
        at: 10.0 * f64::from(i),
        count: 1,
        power: 1.0,
        fine: true,
    };
    let model = Model {
        layout,
        blocks: (0..300).map(block).collect(),
        pulse: 100.0,
        fade: 1e-4,
        spacing: 10.0,
        units: vec![1.0, 0.9],
        image_units: vec![1.0, 0.8],
    };
    let values = vec![
        38_f64.ln(),
        0.0,
        -1e-4,
        -0.1,
        -1e-4,
        -0.3,
        -1.2e-4,
        1_003.0,
        1_301.0,
        5.0,
        0.02,
        400_f64.ln(),
        2_003.0,
        0.6,
        0.05,
        300_f64.ln(),
    ];
    (model, values)
}

#[test]
fn every_unknown_has_its_derivative() {
    let (model, values) = model();
    let light = model.light(&values);
    assert_eq!(model.layout.count, values.len());
    for unknown in 0..values.len() {
        let by = 1e-5 * values[unknown].abs().max(0.01);
        let moved = |by: f64| {
            let mut values = values.clone();
            values[unknown] += by;
            model.all(&values)
        };
        let (low, high) = (moved(-by), moved(by));
        for (i, (low, high)) in low.iter().zip(&high).enumerate() {
            let slope = (high - low) / (2.0 * by);
            let told = light.columns.at(i, unknown);
            // The ramp's own derivative leaves out how glass fades along a pulse.
            let off = (slope - told).abs();
            let kink = (model.blocks[i].at - 1_301.0).abs() < 1e-9;
            assert!(
                kink || off < 0.03 * slope.abs() + 3e-5,
                "{unknown} {i}: {slope} {told}"
            );
        }
    }
}

#[test]
fn glass_alone_lies_between_its_levels() {
    let (model, values) = model();
    let light = model.light(&values);
    assert!((light.glass[0] - 1.0).abs() < 1e-9);
    let last = light.glass.last().unwrap();
    let wanted = (-0.3 - 1.2e-4 * (2_990.0 - 1_300.0_f64)).exp();
    assert!((last / wanted - 1.0).abs() < 1e-6, "{last} {wanted}");
    assert!(model.all(&values)[135] > 4.0);
}

#[test]
fn a_block_shows_the_mean_of_its_samples() {
    let (mut model, mut values) = model();
    // Half a neper over a block.
    values[2] = -5e-4;
    let fine = model.light(&values).glass;
    let wanted = fine.iter().take(100).sum::<f64>() / 100.0;
    model.blocks.truncate(1);
    model.blocks[0] = Block {
        at: 495.0,
        count: 100,
        power: 1.0,
        fine: false,
    };
    let found = model.light(&values).glass[0];
    assert!((found / wanted - 1.0).abs() < 1e-6, "{found} {wanted}");
}
