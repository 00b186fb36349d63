//! Histories as other systems write them, and chains of amplifiers that hand a fall on.

use super::*;

#[test]
fn polls_that_a_recorder_left_out_are_no_silence() {
    let mut csv = String::from("at,line,site,device,point,value\n");
    // Every quarter of an hour for a month; one in eight is missing, some of them in a row.
    let mut state = 5_u32;
    for quarter in 0..2880 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 29 == 0 {
            continue;
        }
        let _ = writeln!(csv, "{},l,a,e,in_power,-17.0", time(quarter * 900));
        let _ = writeln!(csv, "{},l,b,f,in_power,-18.0", time(quarter * 900));
    }
    let answer = ask(&csv, None);
    assert!(answer.of("silent").is_empty(), "{:#?}", answer.of("silent"));
}

#[test]
fn units_are_read_as_others_write_them_and_a_misspelt_role_is_told() {
    let mut csv = String::from("at,line,site,device,point,value,role,unit\n");
    for second in 0..20 {
        let at = time(second);
        let _ = writeln!(csv, "{at},l,a,e,rx,-17,LIGHT_IN,DBM");
        let _ = writeln!(csv, "{at},l,a,e,hut,20,temperature,\u{b0}C");
        let _ = writeln!(csv, "{at},l,a,e,delay,20,other,furlong");
    }
    assert_eq!(ask(&csv, None).exit, Exit::Done);
    csv += &format!("{},l,a,e,tx,3,lightout,dBm\n", time(30));
    csv += &format!("{},l,a,e,rx,3,light_in,furlong\n", time(30));
    let answer = ask(&csv, None);
    assert_eq!(answer.exit, Exit::BadData);
    for want in [
        "s.csv:62: role: \"lightout\"",
        "s.csv:63: unit: \"furlong\"",
    ] {
        assert!(answer.complaints.contains(want), "{}", answer.complaints);
    }
}

#[test]
fn rows_that_are_no_text_are_told_whether_the_file_is_in_order_or_not() {
    for devices in [["e", "e"], ["e", "f"]] {
        let folder = tempfile::tempdir().unwrap();
        let (samples, plant) = (folder.path().join("s.csv"), folder.path().join("p.toml"));
        let mut csv = b"at,line,site,device,point,value\n".to_vec();
        for (k, device) in (0..).zip(devices) {
            for second in 0..300 {
                // The second device's rows are as old as the first one's, or go on after them.
                let at = time(second + if devices[0] == devices[1] { 300 * k } else { 0 });
                csv.extend(format!("{at},l,a,{device},in_power,-17\n").bytes());
            }
            csv.extend(b"2026-01-01T00:00:00Z,l,a,\xff\xfe,in_power,-17\n");
        }
        std::fs::write(&samples, csv).unwrap();
        std::fs::write(&plant, PLANT).unwrap();
        let question = Question {
            samples,
            plant,
            settings: EngineSettings::default(),
            against: None,
            json: true,
        };
        let (mut out, mut told) = (Vec::new(), Vec::new());
        let exit = replay(&question, &mut out, &mut told).unwrap();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(exit, Exit::BadData, "{told}");
        assert!(
            told.contains("600 rows, 2 bad") && told.contains("s.csv:302: "),
            "{told}"
        );
    }
}

/// Four stations eighty kilometres apart; light runs from a to d.
fn stations() -> String {
    let mut text = String::new();
    for site in ["a", "b", "c", "d"] {
        let _ = writeln!(text, "[[site]]\nid = \"{site}\"");
    }
    text += "[[line]]\nid = \"l\"\nkind = \"terrestrial\"\na = \"a\"\nb = \"d\"\nfibre = [{ id = \"f\" }]\nnode = [\n";
    for (k, site) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let kind = if k % 3 == 0 { "terminal" } else { "ila" };
        let at = 80_000 * k;
        let _ = writeln!(
            text,
            "{{ id = \"{site}\", kind = \"{kind}\", chainage_m = {at}, site = \"{site}\" }},"
        );
    }
    text += "]\n[[path]]\nid = \"p\"\nsystem = \"pair\"\nhops = [{ line = \"l\", fibre = \"f\", from = \"a\", to = \"d\" }]\n";
    for site in ["a", "b", "c", "d"] {
        let port = |index: u8, side: &str| {
            format!(
                "{{ index = \"{index}\", path = \"p\", node = \"{site}\", direction = \"AB\", side = \"{side}\" }},"
            )
        };
        let input = if site == "a" {
            String::new()
        } else {
            port(1, "in")
        };
        let output = if site == "d" {
            String::new()
        } else {
            port(2, "out")
        };
        let _ = writeln!(
            text,
            "[[device]]\nid = \"edfa\"\nsite = \"{site}\"\nprofile = \"silkline-edfa\"\nlines = [\"l\"]\nport = [{input}{output}]"
        );
    }
    text
}

/// What each span loses and each amplifier gives, in decibels, at a second.
type Chain = fn(i64) -> ([f64; 3], [f64; 3]);

/// Amplifiers that hold their gain, polled once a minute.
fn amplified(minutes: i64, chain: Chain) -> Answer {
    metered(minutes, chain, false)
}

/// The same, of meters that show noise where there is no light.
fn metered(minutes: i64, chain: Chain, noise: bool) -> Answer {
    let mut csv = String::from("at,line,site,device,point,value,role,unit\n");
    let mut dice = Dice(9);
    for minute in 0..minutes {
        let at = time(minute * 60);
        let (losses, gains) = chain(minute);
        let mut level = 3.0 + gains[0] - 20.0;
        let mut write = |site: &str, point: &str, level: f64, role: &str| {
            let shown = level + 0.03 * dice.next();
            // A meter without light shows noise, an amplifier without it sends some.
            let value = if level < -35.0 && noise {
                format!("{:.1}", -36.5 + 0.3 * dice.next())
            } else if level < -35.0 {
                "dark".to_owned()
            } else {
                format!("{shown:.1}")
            };
            let _ = writeln!(csv, "{at},l,{site},edfa,{point},{value},{role},dBm");
        };
        write("a", "out_power.2", level, "light_out");
        for (k, site) in ["b", "c", "d"].into_iter().enumerate() {
            level -= losses[k];
            write(site, "in_power.1", level, "light_in");
            if site != "d" {
                level = match level < -35.0 {
                    true if noise => 0.7,
                    true => level,
                    false => level + gains[k + 1],
                };
                write(site, "out_power.2", level, "light_out");
            }
        }
    }
    ask_of(&stations(), &csv, None)
}

const WELL: ([f64; 3], [f64; 3]) = ([20.0; 3], [20.0; 3]);

#[track_caller]
fn assert_one(answer: &Answer, cause: &str) {
    let causes: Vec<_> = answer.incidents.iter().map(|i| &i["cause"]).collect();
    assert_eq!(causes, [cause], "{:#?}", answer.incidents);
}

#[test]
fn a_bend_that_every_amplifier_behind_hands_on_is_one_incident_of_its_span() {
    let bend = |minute| ([if minute < 300 { 20.0 } else { 24.0 }, 20.0, 20.0], WELL.1);
    let answer = amplified(420, bend);
    assert!(answer.of("step").len() >= 5, "{:#?}", answer.anomalies);
    assert_one(&answer, "more loss between a and b");
    let headline = answer.incidents[0]["headline"].as_str().unwrap();
    assert!(headline.contains("above its usual 20.00 dB"), "{headline}");
    // A middle span, and too little to be sure at once.
    let bend = |minute| ([20.0, if minute < 300 { 20.0 } else { 23.3 }, 20.0], WELL.1);
    assert_one(&amplified(420, bend), "more loss between b and c");
}

#[test]
fn a_decibel_on_a_span_is_told_once_however_many_meters_see_it_later() {
    let bend = |minute| {
        (
            [if minute < 4400 { 20.0 } else { 21.4 }, 20.0, 20.0],
            WELL.1,
        )
    };
    let answer = amplified(4600, bend);
    assert!(
        !answer.of("step").is_empty(),
        "the meters see it after an hour"
    );
    assert_one(&answer, "more loss between a and b");
}

#[test]
fn an_amplifier_or_a_sender_that_gives_less_is_the_cause_and_no_span_is() {
    let weak = |minute| (WELL.0, [20.0, if minute < 300 { 20.0 } else { 15.0 }, 20.0]);
    assert_one(&amplified(420, weak), "out_power.2 of edfa at b");
    let weak = |minute| (WELL.0, [if minute < 300 { 20.0 } else { 15.5 }, 20.0, 20.0]);
    assert_one(&amplified(420, weak), "out_power.2 of edfa at a");
}

#[test]
fn light_that_comes_back_station_by_station_breaks_nothing() {
    let cut = |minute| {
        (
            [
                if (300..400).contains(&minute) {
                    60.0
                } else {
                    20.0
                },
                20.0,
                20.0,
            ],
            WELL.1,
        )
    };
    let answer = amplified(500, cut);
    assert_one(&answer, "fibre break between a and b");
    assert_ne!(answer.incidents[0]["cleared"], Value::Null);
}

#[test]
fn a_second_break_behind_a_mended_one_is_told() {
    let cut = |minute| {
        let lost = |from, to| {
            if (from..to).contains(&minute) {
                60.0
            } else {
                20.0
            }
        };
        ([lost(300, 400), 20.0, lost(350, 480)], WELL.1)
    };
    let answer = amplified(600, cut);
    let causes: Vec<_> = answer
        .incidents
        .iter()
        .map(|i| i["cause"].as_str())
        .collect();
    assert_eq!(
        causes,
        [
            Some("fibre break between a and b"),
            Some("fibre break between c and d")
        ],
        "{:#?}",
        answer.incidents
    );
}

#[test]
fn meters_that_are_polled_slowly_tell_of_one_cause_once() {
    // The amplifier gives less from the 300th minute on; its receivers tell by turns.
    let mut csv = String::from("at,line,site,device,point,value,role,unit\n");
    let mut dice = Dice(4);
    for minute in 0..330 {
        let at = time(minute * 60);
        let less = |from: i64| if minute >= from { 2.4 } else { 0.0 };
        let (out, osnr) = (2.0 - less(300), 20.0 - less(300));
        let errors = 10_f64.powf(-3.3 + 0.4 * f64::from(minute >= 303) + 0.02 * dice.next());
        for (site, device, point, value, role, unit) in [
            (
                "a",
                "edfa",
                "in_power",
                -20.0 + 0.05 * dice.next(),
                "light_in",
                "dBm",
            ),
            ("a", "edfa", "out_power", out, "light_out", "dBm"),
            ("b", "spo", "osnr", osnr + 0.05 * dice.next(), "osnr", "dB"),
            ("b", "spo", "ber", errors, "ber", "ratio"),
        ] {
            let _ = writeln!(
                csv,
                "{at},l,{site},{device},{point},{value:.6},{role},{unit}"
            );
        }
    }
    let answer = ask(&csv, None);
    let kinds: std::collections::BTreeSet<_> = answer
        .anomalies
        .iter()
        .map(|a| a["point"].as_str())
        .collect();
    assert!(kinds.len() >= 3, "{:#?}", answer.anomalies);
    assert_eq!(answer.incidents.len(), 1, "{:#?}", answer.incidents);
}

#[test]
fn a_cut_is_a_cut_though_every_meter_behind_shows_noise() {
    let cut = |minute| {
        let loss = if (300..400).contains(&minute) {
            60.0
        } else {
            20.0
        };
        ([20.0, loss, 20.0], WELL.1)
    };
    let answer = metered(500, cut, true);
    assert_one(&answer, "fibre break between b and c");
    assert!(answer.of("dark").len() == 1, "{:#?}", answer.anomalies);
    assert_ne!(answer.incidents[0]["severity"], "warning");
}
