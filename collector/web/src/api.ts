// Made by `npm run types` from openapi.json. Do not edit.

/** One running program of the edge: several may serve a site. */
export type AgentId = string;

/** A detector's finding on one device or fibre. */
export type Anomaly = {
  /** In words, with the numbers. */
  detail: string;
  /** The device, `site.device`; for an agent its site and name. */
  device: string;
  /** The first bad reading. */
  from: Timestamp;
  /** Its own name: the same from beginning to end. */
  id: string;
  /** What kind: `dark`, `limit`, `level`, `silent`, `offline`, … */
  kind: string;
  /** The line. */
  line: LineId;
  /** The point, where it is about one. */
  point: string | null;
  /** When it was first said: never backdated. */
  raised: Timestamp;
  /** How bad. */
  severity: Severity;
  /** The first good one, or nothing while it lasts. */
  to: Timestamp | null;
};

/** A question, and the answers so far. */
export type AskedCommand = {
  /** When it was asked. */
  at: Timestamp;
  /** What. */
  command: Command;
  /** Its number. */
  id: string;
  /** The line. */
  line: LineId;
  /** What agents answered, in order; each answers once, and says why where it does not do it. */
  replies: Reply[];
  /** The site whose agents are asked. */
  site: SiteId;
  /** Who asked. */
  who: string;
};

/** To whom an incident is given. */
export type Assignment = {
  /** What there is to say; goes into the history first. */
  text: string | null;
  /** Who is to take care of it. */
  to: string;
  /** Who gives it, for the incident's history; whoever has signed in, where somebody has. */
  who: string | null;
};

/** One entry of the audit log. */
export type AuditEntry = {
  /** When. */
  at: Timestamp;
  /** Its number. */
  id: number;
  /** What. */
  what: string;
  /** Who. */
  who: string;
};

/** How much of a time something was there. */
export type Availability = {
  /** How often it was gone. */
  outages: number;
  /** How long it was looked at. */
  period_s: number;
  /** How long of that was planned work. */
  planned_s: number;
  /** The share of the period in which it was there, 0 to 1; nothing of an empty period. */
  share: number | null;
  /** The same with planned work neither for nor against it. */
  share_without_planned: number | null;
  /** How long it was gone, in seconds. */
  unavailable_s: number;
};

/** Why a reading has no value. */
export type BadReading = "timeout" | "unreachable" | "refused" | "garbled" | "out_of_range" | "not_supported" | "invalid" | "unknown";

/** A known place beside the fault. */
export type Beside = {
  /** Its name. */
  landmark: string;
  /** From it to the fault: positive towards B. */
  offset_m: number;
};

/** Many readings in one figure. */
export type Bin = {
  /** Where it begins. */
  at: Timestamp;
  /** How often there was no reading. */
  bad_readings: number;
  /** How often there was no light. */
  dark_readings: number;
  /** The highest value. */
  max: number | null;
  /** The mean of the values. */
  mean: number | null;
  /** The lowest value. */
  min: number | null;
  /** How many values. */
  values: number;
};

/** How good the places were. */
export type Calibration = {
  /** Over all repairs. */
  all: Figures;
  /** By line. */
  lines: Record<string, Figures>;
  /** By the kinds of sources. */
  methods: Record<string, Figures>;
  /** Each repair, the newest first. */
  repairs: Repair[];
};

/** One possible place. */
export type Candidate = {
  /** Its mean. */
  chainage_m: number;
  /** Holds it with a probability of 95 %, if the fault is here. */
  interval95_m: [number, number];
  /** The ids of the evidence that speaks for it. */
  sources: string[];
  /** The probability that there is a fault here. */
  weight: number;
};

/** What comes with the end of an incident. */
export type Closing = {
  /** The same as the crew tells it: by coordinates, a post, a landmark or chainage. */
  found: FoundAt | null;
  /** Where the crew found the fault, in metres of chainage. */
  found_m: RouteLength | null;
  /** What there is to say; goes into the history first. */
  text: string | null;
  /** Who closes it, for the incident's history; whoever has signed in, where somebody has. */
  who: string | null;
};

/** What a collector or a person asks of an agent. */
export type Command = {
  do: "shot";
  /** The view. */
  view: ViewId;
} | {
  /** The device. */
  device: DeviceId;
  do: "reread";
} | {
  do: "identify";
} | {
  do: "set_permit";
  /** The permit. */
  permit: Permit;
} | {
  do: "revoke_permit";
  /** Its number. */
  permit: PermitId;
};

/** One piece of polled hardware. */
export type Device = {
  /** How long ago that is by the collector's clock, in seconds. */
  age_s: number | null;
  /** Its id at the site. */
  device: string;
  /** `site.device`. */
  id: string;
  /** The lines that it serves. */
  lines: LineId[];
  /** Its model. */
  model: string | null;
  /** When it was last read, by its agent's clock. */
  newest: Timestamp | null;
  /** How often it is asked, in milliseconds. */
  poll_ms: number | null;
  /** The profile by which it is read. */
  profile: string | null;
  /** What it last said, by point. */
  readings: Reading[];
  /** Its serial number. */
  serial: string | null;
  /** Where it stands. */
  site: string;
  /** How fresh its newest readings are. */
  state: Freshness;
  /** Who made it. */
  vendor: string | null;
};

/** One piece of polled hardware at a site. */
export type DeviceId = string;

/** One line of an incident's history. */
export type Entry = {
  /** When. */
  at: Timestamp;
  /** What, in words. */
  what: string;
  /** Who: a person, or `silkline`. */
  who: string;
};

/** A view's fibre over time. */
export type FibreHistory = {
  /** The strand. */
  fibre: string;
  /** The oldest of them. */
  from: Timestamp | null;
  /** The line. */
  line: LineId;
  /** Their pulse, in ns. */
  pulse_ns: number | null;
  /** The glass between them. */
  sections: Section[];
  /** How many alike shots were looked at. */
  shots: number;
  /** Splices and connectors, along the fibre. */
  splices: Splice[];
  /** The newest of them. */
  to: Timestamp | null;
  /** The view. */
  view: ViewId;
  /** The wavelength of the shots, in nm, where they tell it. */
  wavelength_nm: number | null;
};

/** One strand of a line. */
export type FibreId = string;

/** How good places were, over some repairs. What no repair tells is null. */
export type Figures = {
  /** The mean of found minus predicted, in metres. */
  bias_m: number | null;
  /** The share of 50 % intervals that held it. */
  coverage50: number | null;
  /** The share of 95 % intervals that held the found place. */
  coverage95: number | null;
  /** Those for which a place was predicted. */
  located: number;
  /** Half of the errors are smaller, in metres. */
  median_m: number | null;
  /** 95 % of the errors are smaller, in metres. */
  p95_m: number | null;
  /** Repairs with a found place. */
  repairs: number;
  /** The mean width of the 95 % intervals, in metres. */
  width95_m: number | null;
};

/** Where a crew found the fault. */
export type Found = {
  /** When it was said. */
  at: Timestamp;
  /** Where along the line, in metres from A. */
  chainage_m: number;
  /** How they told it: `gps`, `post`, `landmark`, `chainage`. */
  how: string;
  /** Half width of the 95 % interval of that. */
  plus_minus_m: number;
  /** What they said. */
  said: string;
  /** Who. */
  who: string;
};

/** Where a crew found a fault: by exactly one of coordinates, post, landmark and chainage. */
export type FoundAt = {
  /** Chainage in metres. */
  chainage_m: number | null;
  /** A landmark or node by its name. */
  landmark: string | null;
  /** Latitude in degrees, WGS 84; with `lon`. */
  lat: number | null;
  /** Longitude. */
  lon: number | null;
  /** From the landmark, in metres: positive towards B. */
  offset_m: number | null;
  /** How sure they are, half the width of a 95 % interval in metres; 5 m by coordinates and 10 m by anything else unless said. */
  plus_minus_m: number | null;
  /** A kilometre post and the metres past it, `214+320`. */
  post: string | null;
};

/** How fresh a device's newest readings are. */
export type Freshness = "fresh" | "stale" | "silent" | "never";

/** A permit to work, and what became of it. */
export type GrantedPermit = {
  /** How they are reached. */
  contact: string;
  /** The fibres; every one of the line where none is named. */
  fibres: FibreId[];
  /** From when on. */
  from: Timestamp;
  /** When. */
  granted_at: Timestamp;
  /** Who granted it. */
  granted_by: string;
  /** Its number. */
  id: PermitId;
  /** Those whose agents have said that they keep it: no instrument shoots from there. */
  kept_by: SiteId[];
  /** The line. */
  line: LineId;
  /** Who works. */
  person: string;
  /** What for. */
  reason: string;
  /** When. */
  revoked_at: Timestamp | null;
  /** Who took it back, where somebody has. */
  revoked_by: string | null;
  /** The sites whose agents are told of it. */
  sites: SiteId[];
  /** Where in its life it is. */
  state: PermitState;
  /** Until when. */
  until: Timestamp;
};

/** That all is well. */
export type Health = {
  /** `ok`. */
  status: string;
  /** The program's version. */
  version: string;
};

/** One cause, from its first sign to its end. */
export type Incident = {
  /** Fibres and paths that suffer. */
  affected: string[];
  /** What was found. */
  anomalies: Anomaly[];
  /** The cause in words. */
  cause: string;
  /** When it was last over. */
  cleared: Timestamp | null;
  /** Why there: what `locate` takes. */
  evidence: (Record<string, unknown>)[];
  /** Where the crew found it, once they have said so. */
  found: Found | null;
  /** One line to drive on. */
  headline: string;
  /** Who did what, oldest first. */
  history: Entry[];
  /** Its id: stable for life. */
  id: IncidentId;
  /** What kind of cause: `break`, `degradation`, `equipment`, `power_feed`, `environment`, `agent`. */
  kind: string;
  /** The lines it is on. */
  lines: LineId[];
  /** When it was opened. */
  opened: Timestamp;
  /** Permits to work that hold on its fibres: people are at the cable. */
  permits: Permit[];
  /** Where. */
  place: Place;
  /** Incidents elsewhere that have the same cause. */
  related: IncidentId[];
  /** How bad it is. */
  severity: Severity;
  /** Where in its life it stands. */
  state: Life;
  /** When anything about it last changed. */
  updated: Timestamp;
};

/** One cause, from its first sign to its end. */
export type IncidentId = string;

/** One incident of a month. */
export type IncidentMonth = {
  /** What suffered. */
  affected: string[];
  /** The first bad reading. */
  from: Timestamp;
  /** One line to drive on. */
  headline: string;
  /** Its id. */
  id: IncidentId;
  /** What kind of cause. */
  kind: string;
  /** How long it took, in seconds. */
  lasted_s: number | null;
  /** The lines it is on. */
  lines: LineId[];
  /** Whether it fell into planned work. */
  planned: boolean;
  /** How bad it was. */
  severity: Severity;
  /** When it was over. */
  to: Timestamp | null;
};

/** One interval, after ITU-T G.7710. */
export type Interval = {
  /** Where it begins; intervals lie at whole quarters of an hour and days in UTC. */
  at: Timestamp;
  /** The high tide mark. */
  max: number | null;
  /** The mean over the time that a value held. */
  mean: number | null;
  /** The low tide mark. */
  min: number | null;
  /** Seconds that were seen. */
  seen_s: number;
  /** Whether more than ten seconds of it were not seen. */
  suspect: boolean;
  /** Unavailable seconds, after ITU-T G.826: from ten seconds without light in a row to ten with it. */
  unavailable_s: number;
};

/** One entry of a [`Series`]. */
export type Item = Bin | Read;

/** A known place. */
export type Landmark = {
  /** Where on the line. */
  chainage_m: number;
  /** `closure`, `manhole`, `crossing`, … */
  kind: string;
  /** Latitude in degrees, where known. */
  lat: number | null;
  /** Longitude in degrees, where known. */
  lon: number | null;
  /** Its name, unique on the line. */
  name: string;
  /** Half width of the 95 % interval of its place. */
  plus_minus_m: number;
};

/** The curve of a trace, equally spaced. */
export type Levels = {
  /** Where the first stretch begins, in metres from the user offset. */
  first_m: number;
  /** The highest level of each stretch; empty where each holds one sample, which is its lowest too. */
  max_db: number[];
  /** The lowest level of each stretch, one-way, in dB. */
  min_db: number[];
  /** Samples in a stretch. */
  samples_each: number;
  /** The length of a stretch; the sample spacing where `max` is empty. */
  step_m: number;
};

/** Where in its life an incident stands. */
export type Life = "suspect" | "open" | "acknowledged" | "repairing" | "cleared" | "closed";

/** A line in short. */
export type Line = {
  /** The site of the A end, or `line/node` of a branch. */
  a: string;
  /** The site of the B end, or `line/node` of a branch. */
  b: string;
  /** Devices that serve it. */
  devices: number;
  /** Its id. */
  id: LineId;
  /** The incidents that are open on it. */
  incidents: IncidentId[];
  /** `submarine` or `terrestrial`. */
  kind: string;
  /** Its length along the ground. */
  length_m: number;
  /** Its name for people. */
  name: string;
  /** When its newest sample was taken. */
  newest: Timestamp | null;
  /** Those of them whose readings are not fresh. */
  silent: number;
  /** The worst that is open on it. */
  state: LineState;
};

/** A line as it lies on the ground. */
export type LineDetail = {
  /** The site of the A end, or `line/node` of a branch. */
  a: string;
  /** The site of the B end, or `line/node` of a branch. */
  b: string;
  /** Devices that serve it. */
  devices: number;
  /** Its id. */
  id: LineId;
  /** The incidents that are open on it. */
  incidents: IncidentId[];
  /** `submarine` or `terrestrial`. */
  kind: string;
  /** Known places, from A to B. */
  landmarks: Landmark[];
  /** Its length along the ground. */
  length_m: number;
  /** Its name for people. */
  name: string;
  /** When its newest sample was taken. */
  newest: Timestamp | null;
  /** Places that hold equipment, from A to B. */
  nodes: Node[];
  /** Railway kilometre posts and the like. */
  posts: Post[];
  /** Its geometry: latitude, longitude, chainage in metres. */
  route: ([number, number, number])[];
  /** Those of them whose readings are not fresh. */
  silent: number;
  /** The stretches between them. */
  spans: Span[];
  /** The worst that is open on it. */
  state: LineState;
  /** What instruments see of it. */
  views: View[];
};

/** One cable between two terminal sites: the fault domain, and the unit of sharding. */
export type LineId = string;

/** A line's month. */
export type LineMonth = {
  /** How much of the month it was there. */
  availability: Availability;
  /** The line. */
  line: LineId;
  /** Its name for people. */
  name: string;
  /** How long its repairs took. */
  repairs: Repairs;
};

/** How a line or a span is. */
export type LineState = "well" | "no_data" | "warning" | "minor" | "major" | "critical";

/** What a file shows that somebody sent; it is not stored. */
export type Look = {
  /** What it shows, as `trace --json` prints it. */
  analysis: unknown;
  /** Its curve. */
  levels: Levels;
  /** Where on the route its end or break is, where it is known from where it was shot. */
  place: Place | null;
  /** The place from where the crew stands, in words: `37 m back towards Yevlakh`. */
  walk: string | null;
};

/** A quantity in one shot. */
export type Measured = {
  /** When. */
  at: Timestamp;
  /** Half width of its 95 % interval. */
  plus_minus: number | null;
  /** How much. */
  value: number;
};

/** What a month was like. */
export type MonthReport = {
  /** Its first moment. */
  from: Timestamp;
  /** The incidents that began in the month, oldest first. */
  incidents: IncidentMonth[];
  /** Each line. */
  lines: LineMonth[];
  /** When the report was made. */
  made: Timestamp;
  /** The month, `2026-11`, in UTC. */
  month: string;
  /** All lines together. */
  repairs: Repairs;
  /** Each service. */
  services: ServiceMonth[];
  /** Its end, or now while it lasts. */
  to: Timestamp;
};

/** An identity provider. */
export type Named = {
  /** Where a browser goes. */
  begin: string;
  /** What its button says. */
  name: string;
};

/** What is asked. */
export type NewCommand = {
  do: "shot";
  /** The view. */
  view: ViewId;
} | {
  /** The device, as `site.device`. */
  device: string;
  do: "reread";
} | {
  do: "identify";
  /** The site. */
  site: SiteId;
};

/** What is asked for. */
export type NewPermit = {
  /** How they are reached: a telephone, as a rule. */
  contact: string;
  /** The fibres; every one of the line where none is named. */
  fibres: FibreId[];
  /** From when on; now unless said. */
  from: Timestamp | null;
  /** The line. */
  line: LineId;
  /** Who works. */
  person: string;
  /** What for. */
  reason: string;
  /** Until when: at most 31 days after `from`. */
  until: Timestamp;
  /** Who grants it; whoever has signed in, where somebody has. */
  who: string | null;
};

/** A token to be made. */
export type NewToken = {
  /** The lines that its bearer sees; all where absent. */
  lines: LineId[] | null;
  /** What it is for. */
  name: string;
  /** What its bearer may. */
  role: Role;
};

/** A user to be added. */
export type NewUser = {
  /** The lines that the user sees; all where absent. */
  lines: LineId[] | null;
  /** The name to sign in with. */
  name: string;
  /** The password, 12 letters or more. */
  password: string;
  /** What the user may. */
  role: Role;
};

/** A place that holds equipment. */
export type Node = {
  /** Where on the line. */
  chainage_m: number;
  /** Its id, unique on the line. */
  id: string;
  /** `terminal`, `ila`, `repeater`, … */
  kind: string;
  /** Latitude in degrees, where known. */
  lat: number | null;
  /** Longitude in degrees, where known. */
  lon: number | null;
  /** What people call it. */
  name: string;
  /** The site it stands in, where there is one. */
  site: string | null;
};

/** The way a signal takes over fibres, through nodes. */
export type PathId = string;

/** How a point performed. */
export type Performance = {
  /** The device, `site.device`. */
  device: string;
  /** The length of an interval in seconds: 900 or 86400. */
  interval_s: number;
  /** Intervals by rising time; the last one may still run. */
  items: Interval[];
  /** The point. */
  point: PointName;
  /** The unit of every value; empty for none. */
  unit: string;
};

/** A permit to work on fibres, valid by construction. */
export type Permit = {
  /** How they are reached. */
  contact?: string;
  /** The fibres; none stands for every fibre of the line. */
  fibres?: FibreId[];
  /** From when on. */
  from: Timestamp;
  /** Its number: setting another permit of this number replaces it. */
  id: PermitId;
  /** The line on which they work. */
  line: LineId;
  /** Who works. */
  person: string;
  /** Until when. */
  until: Timestamp;
};

/** One permit to work. */
export type PermitId = string;

/** Where in its life a permit is. */
export type PermitState = "coming" | "standing" | "over" | "revoked";

/** Where a fault is, how sure that is, and why. What no source supports is null. */
export type Place = {
  /** The known place just after it, seen from A. */
  after: Beside | null;
  /** The known place just before it, seen from A. */
  before: Beside | null;
  /** Two breaks, or sources that contradict: every place that remains possible. */
  candidates: Candidate[];
  /** Where along the line, in metres from A. */
  chainage_m: number | null;
  /** The probability of a disagreement at least as large, were they all right. */
  chi2_p: number | null;
  /** From A plus from B minus the whole glass: negative where glass is missing. */
  closure_m: number | null;
  /** Whether the sources agree. */
  consistent: boolean;
  /** How deep the cable lies there, in metres. */
  depth_m: number | null;
  /** Damage along the cable. */
  extent_m: number | null;
  /** Watched fibres without light. */
  fibres_dark: number;
  /** Fibres whose light is watched. */
  fibres_watched: number;
  /** Holds the fault with a probability of one half. */
  interval50_m: [number, number] | null;
  /** Holds the fault with a probability of 95 %. */
  interval95_m: [number, number] | null;
  /** Latitude in degrees, WGS 84. */
  lat: number | null;
  /** The line. */
  line: LineId;
  /** Longitude in degrees, WGS 84. */
  lon: number | null;
  /** The node, where the fault is at one. */
  node: string | null;
  /** What else should be known. */
  notes: string[];
  /** SHA-256 of the plant file. */
  plant: string;
  /** The kilometre post before it and the metres from there, `214+300`. */
  post: string | null;
  /** What each source says, and what it weighs. */
  sources: Source[];
  /** The span, `node..node`. */
  span: string | null;
  /** Stretches that nobody can see. */
  unseen_m: ([number, number])[];
  /** What kind of place it is. */
  where: Where;
};

/** One quantity of a device, such as `in_power` or `in_power.3`. */
export type PointName = string;

/** A railway kilometre post or the like. */
export type Post = {
  /** Where on the line. */
  chainage_m: number;
  /** What is written on it. */
  name: string;
};

/** Why a request was not answered as asked.  # Source  RFC 9457, section 3; the type is `about:blank`, so the title is the status's own phrase. */
export type Problem = {
  /** What was found and what was wanted. */
  detail: string;
  /** The HTTP status. */
  status: number;
  /** The phrase of the status. */
  title: string;
  /** The kind of problem: always `about:blank`. */
  type: string;
};

/** One reading. */
export type Read = {
  /** When, by the agent's clock. */
  at: Timestamp;
  /** Why there is no value. */
  bad: BadReading | null;
  /** Whether there was no light. */
  dark: boolean;
  /** The value; nothing where it is dark or bad. */
  value: number | null;
};

/** The newest reading of one point. */
export type Reading = {
  /** How long ago that is by the collector's clock, in seconds. */
  age_s: number;
  /** When it was read, by the agent's clock. */
  at: Timestamp;
  /** Why there is no value. */
  bad: BadReading | null;
  /** Whether a light meter sees no light. */
  dark: boolean;
  /** Above this it is not well, by its maker; of two limits the inner one. */
  high: number | null;
  /** Below this it is not well, by its maker; of two limits the inner one. */
  low: number | null;
  /** The point. */
  point: PointName;
  /** What it means; `other` where the device has not said. */
  role: string;
  /** The unit of the value; empty for none. */
  unit: string;
  /** The value; nothing where it is dark or bad. */
  value: number | null;
};

/** One repair: what was predicted and what was found. */
export type Repair = {
  /** When the crew told it. */
  at: Timestamp;
  /** Whether the 95 % interval held it. */
  covered95: boolean | null;
  /** Found minus predicted. */
  error_m: number | null;
  /** Where it was found. */
  found_m: number;
  /** Half width of the 95 % interval of that. */
  found_plus_minus_m: number;
  /** How the crew told it: `gps`, `post`, `landmark`, `chainage`. */
  how: string;
  /** The incident. */
  incident: IncidentId;
  /** Should have held it with a probability of 95 %. */
  interval95_m: [number, number] | null;
  /** What kind of cause. */
  kind: string;
  /** The line. */
  line: LineId;
  /** The kinds of sources that the place came from, `light_lost+otdr`. */
  method: string;
  /** Where it was predicted. */
  predicted_m: number | null;
  /** What to add to the line in the plant file, so that every program knows the repair. */
  proposal: string;
};

/** How long repairs took. Planned work counts in `faults` and `planned` alone. */
export type Repairs = {
  /** Incidents that began in the month. */
  faults: number;
  /** Time for each outage, in seconds. */
  mean_between_outages_s: number | null;
  /** From the first bad reading until somebody took it, in the mean, in seconds. */
  mean_to_acknowledge_s: number | null;
  /** From the first bad reading to the end, in the mean, in seconds. */
  mean_to_repair_s: number | null;
  /** Those that took light. */
  outages: number;
  /** Those of them that fell into planned work. */
  planned: number;
  /** Those that are over: the means are of these. */
  repaired: number;
};

/** An agent's answer to a command: there is always one. */
export type Reply = {
  /** Whether it was taken on. */
  accepted: boolean;
  /** Who answers. */
  agent: AgentId;
  /** When. */
  at: Timestamp;
  /** In words: what is being done, or why not. */
  detail: string;
  /** The permit to work that keeps it from being done. */
  permit: Permit | null;
};

/** What somebody may; each may what the ones before it may. */
export type Role = "viewer" | "field" | "operator" | "admin";

/** A length along the ground, in metres; measured from the line's A end it is the chainage. */
export type RouteLength = number;

/** The glass between two splices. */
export type Section = {
  /** Where it begins along the glass. */
  from_m: number;
  /** Its attenuation in each shot, in dB/km, oldest first. */
  slopes: Measured[];
  /** Where it ends. */
  to_m: number;
  /** Where that leads, in dB/km. */
  trend: Trend;
};

/** What comes with an action. */
export type Sentence = {
  /** What there is to say; goes into the history first. */
  text: string | null;
  /** Who does it, for the incident's history; whoever has signed in, where somebody has. */
  who: string | null;
};

/** The past of one point. */
export type Series = {
  /** The device, `site.device`. */
  device: string;
  /** Where it begins, inclusive. */
  from: Timestamp;
  /** Readings or bins by rising time. */
  items: Item[];
  /** The `from` of the next page; nothing on the last one. */
  next: Timestamp | null;
  /** The point. */
  point: PointName;
  /** The width of a bin in seconds; nothing where `items` are readings. */
  resolution_s: number | null;
  /** Where it ends, exclusive. */
  to: Timestamp;
  /** The unit of every value; empty for none. */
  unit: string;
};

/** What a customer has bought. */
export type Service = {
  /** Whose it is. */
  customer: string;
  /** Its id. */
  id: string;
  /** The incidents that took light from its paths. */
  incidents: IncidentId[];
  /** Every path that it may run over. */
  paths: Way[];
  /** Whether it survives the loss of one path. */
  protected: boolean;
  /** How it is. */
  state: ServiceState;
};

/** A service's month. */
export type ServiceMonth = {
  /** How much of the month it was there. */
  availability: Availability;
  /** Whose it is. */
  customer: string;
  /** Whether it survives the loss of one path. */
  protected: boolean;
  /** The service. */
  service: string;
};

/** How a service is, as far as anybody watches its paths. */
export type ServiceState = "up" | "at_risk" | "down";

/** Who asks, as the server sees it. */
export type Session = {
  /** The lines that they see; all where absent. */
  lines: LineId[] | null;
  /** Whether they may do something with incidents. */
  may_act: boolean;
  /** Whether nobody is set up, and everybody on this machine may everything. */
  open: boolean;
  /** What they may. */
  role: Role;
  /** The user who has signed in. */
  user: string | null;
};

/** How bad something is, in the words of X.733. */
export type Severity = "warning" | "minor" | "major" | "critical";

/** For how long nobody is to be told of an incident. */
export type Shelving = {
  /** What there is to say; goes into the history first. */
  text: string | null;
  /** Until when: at most 30 days from now. A time that has passed takes it off the shelf. */
  until: Timestamp;
  /** Who says so, for the incident's history; whoever has signed in, where somebody has. */
  who: string | null;
};

/** That somebody is signed out. */
export type SignedOut = {
  /** Where the browser should go to be signed out of the identity provider as well. */
  then: string | null;
};

/** A name and a password. */
export type SigningIn = {
  /** The password. */
  password: string;
  /** The name. */
  user: string;
};

/** A place with an agent. */
export type SiteId = string;

/** What one source contributed. */
export type Source = {
  /** Where the fault would be by this source alone. */
  alone_m: number | null;
  /** The evidence's id. */
  id: string;
  /** Its kind: `otdr`, `light_lost`, … */
  kind: string;
  /** Half width of its own 95 % interval. */
  plus_minus_m: number | null;
  /** Its share in the answer, 0 to 1. */
  weight: number;
};

/** The stretch between two neighbouring nodes. */
export type Span = {
  /** The node nearer to A. */
  from: string;
  /** Where it begins. */
  from_m: number;
  /** `node..node`. */
  id: string;
  /** The worst that is open on it. */
  state: LineState;
  /** The node nearer to B. */
  to: string;
  /** Where it ends. */
  to_m: number;
};

/** One splice or connector. */
export type Splice = {
  /** Where along the glass, from the user offset. */
  at_m: number;
  /** The landmark that is marked there. */
  landmark: string | null;
  /** Its loss in each shot, in dB, oldest first. */
  losses: Measured[];
  /** Whether light comes back from it. */
  reflects: boolean;
  /** Where the loss leads, in dB. */
  trend: Trend;
};

/** What to survey next for the sake of a span. */
export type Survey = {
  /** The mean half width of the 95 % interval of a fault there, by a single good shot, as it is. */
  half_width_m: number;
  /** How many of the steps halve the interval; nothing where these few do not. */
  halved_by: number | null;
  /** The span, `node..node`. */
  span: string;
  /** Landmarks to survey, the most useful first, each with the half width after it. */
  steps: SurveyStep[];
  /** The view whose answers it narrows. */
  view: ViewId;
};

/** A landmark to survey. */
export type SurveyStep = {
  /** Where it is. */
  chainage_m: number | null;
  /** The mean half width once it and those before are surveyed. */
  half_width_m: number;
  /** Its name. */
  landmark: string;
};

/** Nanoseconds since 1970-01-01 00:00 UTC, without leap seconds; good until the year 2262. */
export type Timestamp = string;

/** A program's token, without its secret. */
export type Token = {
  /** Since when. */
  added: Timestamp;
  /** Its number. */
  id: number;
  /** The lines that its bearer sees; all where absent. */
  lines: LineId[] | null;
  /** What it is for. */
  name: string;
  /** What its bearer may. */
  role: Role;
};

/** A token that was made. */
export type TokenMade = {
  /** Its number. */
  id: number;
  /** What to send as bearer token; told this once. */
  secret: string;
};

/** One OTDR acquisition. */
export type Trace = {
  /** What it shows, as `trace --json` prints it; nothing until it was looked at. */
  analysis: unknown;
  /** When the agent took it in, by the agent's clock. */
  at: Timestamp;
  /** The size of the file. */
  bytes: number;
  /** The instrument, `site.device`. */
  device: string;
  /** Its number. */
  id: number;
  /** Whether it came from a backlog. */
  late: boolean;
  /** Its curve, where `points` asked for it. */
  levels: Levels | null;
  /** The line it came for. */
  line: LineId;
  /** The port of the instrument, where known. */
  port: number | null;
  /** When it was stored here. */
  received: Timestamp;
  /** Where the file is, byte for byte. */
  sor: string;
  /** Why it was taken: `light_lost`, `schedule`, `command`, `unknown`. */
  trigger: string;
  /** What it shows, where known. */
  view: ViewId | null;
};

/** Where a quantity leads, or why nobody can tell yet. Half widths are of 95 % intervals. */
export type Trend = {
  /** What a shot in a year will find. */
  in_a_year: number | null;
  /** Its half width. */
  in_a_year_plus_minus: number | null;
  /** Where the line stands at the newest shot. */
  now: number | null;
  /** Its half width. */
  now_plus_minus: number | null;
  /** The change in a year. */
  per_year: number | null;
  /** Its half width. */
  per_year_plus_minus: number | null;
  /** Whether it is more than chance that it rises. */
  rises: boolean;
  /** Why there is no line, in words; nothing where there is one. */
  why_not: string | null;
  /** When a splice will have risen by another 0.3 dB: earliest, likely, latest. */
  worse_by: [Timestamp, Timestamp, Timestamp] | null;
};

/** A user, without the password. */
export type User = {
  /** Since when. */
  added: Timestamp;
  /** The lines that the user sees; all where absent. */
  lines: LineId[] | null;
  /** The name to sign in with. */
  name: string;
  /** What the user may. */
  role: Role;
};

/** What one instrument sees. */
export type View = {
  /** The instrument, `site.device`, where the plant names it. */
  device: string | null;
  /** The strand. */
  fibre: string;
  /** Its id, unique in the plant. */
  id: string;
  /** The node where the instrument stands. */
  node: string;
  /** Its port. */
  port: number | null;
  /** Which way it looks: `A` or `B`. */
  toward: string;
};

/** What one instrument sees of a fibre from a node. */
export type ViewId = string;

/** A path of a service. */
export type Way = {
  /** Whether it has lost its light. */
  dark: boolean;
  /** The lines that it lies on. */
  lines: LineId[];
  /** The path. */
  path: PathId;
};

/** How somebody may sign in. */
export type Ways = {
  /** Whether anybody has a password here. */
  password: boolean;
  /** The identity provider, where there is one. */
  provider: Named | null;
};

/** Kinds of [`Place`]. */
export type Where = "span" | "node" | "site" | "unknown";
