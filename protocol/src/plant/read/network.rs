//! First pass over what belongs to no single line: sites, paths, devices, shared stretches, services.

use super::super::{
    Device, Direction, Hop, Path, Port, Shared, SharedMember, Side, Site, SiteKind, System,
};
use super::{At, coordinates, required_route_m, required_word, word};
use crate::id::SiteId;
use crate::settings::Section;

fn each<T>(
    top: &mut Section<'_>,
    key: &str,
    mut reader: impl FnMut(&mut Section<'_>) -> Option<T>,
) -> Vec<At<T>> {
    let mut found = Vec::new();
    for mut entry in top.sections(key) {
        if let Some(it) = reader(&mut entry) {
            found.push(At::new(it, &entry));
        }
    }
    found
}

/// Every `[[site]]`.
pub(super) fn sites(top: &mut Section<'_>) -> Vec<At<Site>> {
    each(top, "site", |section| {
        let id: Option<SiteId> = section.required("id");
        let name = section.optional("name");
        let country = section.optional("country");
        let operator = section.optional("operator");
        let at = coordinates(section);
        let kind = word(section, "kind", "landing-station, hut, pop, exchange");
        let id = id?;
        let name = name.unwrap_or_else(|| id.to_string());
        Some(Site {
            id,
            name,
            country,
            operator,
            at,
            kind: kind.unwrap_or(SiteKind::Hut),
        })
    })
}

/// Every `[[path]]`.
pub(super) fn paths(top: &mut Section<'_>) -> Vec<At<Path>> {
    each(top, "path", |section| {
        let id = section.required("id");
        let system = word(section, "system", "pair, single-fibre").unwrap_or(System::Pair);
        let protects = section.optional("protects");
        let mut hops = Vec::new();
        for mut entry in section.sections("hops") {
            hops.extend(hop(&mut entry));
        }
        Some(Path {
            id: id?,
            system,
            protects,
            hops,
        })
    })
}

fn hop(section: &mut Section<'_>) -> Option<Hop> {
    let (line, fibre) = (section.required("line"), section.required("fibre"));
    let (from, to) = (section.required("from"), section.required("to"));
    Some(Hop {
        line: line?,
        fibre: fibre?,
        from: from?,
        to: to?,
    })
}

/// Every `[[device]]`.
pub(super) fn devices(top: &mut Section<'_>) -> Vec<At<Device>> {
    each(top, "device", |section| {
        let id = section.required("id");
        let site = section.required("site");
        let profile = section.required("profile");
        let lines = section.or("lines", Vec::new());
        let mut ports = Vec::new();
        for mut entry in section.sections("port") {
            ports.extend(port(&mut entry));
        }
        Some(Device {
            id: id?,
            site: site?,
            profile: profile?,
            lines,
            ports,
        })
    })
}

fn port(section: &mut Section<'_>) -> Option<Port> {
    let index = section.or("index", String::new());
    let (path, node) = (section.required("path"), section.required("node"));
    let direction: Option<Direction> = required_word(section, "direction", "AB, BA");
    let side: Option<Side> = required_word(section, "side", "in, out");
    Some(Port {
        index,
        path: path?,
        node: node?,
        direction: direction?,
        side: side?,
    })
}

/// Every `[[shared]]`.
pub(super) fn shared(top: &mut Section<'_>) -> Vec<At<Shared>> {
    each(top, "shared", |section| {
        let id = section.required("id");
        let kind = section.or("kind", "duct".to_owned());
        let mut members = Vec::new();
        for mut entry in section.sections("members") {
            members.extend(member(&mut entry));
        }
        Some(Shared {
            id: id?,
            kind,
            members,
        })
    })
}

fn member(section: &mut Section<'_>) -> Option<SharedMember> {
    let line = section.required("line");
    let from = required_route_m(section, "from_m");
    let to = required_route_m(section, "to_m");
    Some(SharedMember {
        line: line?,
        from: from?,
        to: to?,
    })
}

/// Every `[[service]]`.
pub(super) fn services(top: &mut Section<'_>) -> Vec<At<super::super::Service>> {
    each(top, "service", |section| {
        let id = section.required("id");
        let customer = section.or("customer", String::new());
        let paths = section.or("paths", Vec::new());
        let protected = section.or("protected", false);
        Some(super::super::Service {
            id: id?,
            customer,
            paths,
            protected,
        })
    })
}
