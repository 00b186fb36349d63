// Where a crew found a fault, as crews say it: `km 256.84`, `255+1816`, `40.52328, 47.51434`, or a
// closure with or without metres from it; ` ± 3` behind it where it was measured better than by pacing.

/** What the API takes. */
export interface FoundAt {
  lat?: number;
  lon?: number;
  post?: string;
  landmark?: string;
  offset_m?: number;
  chainage_m?: number;
  plus_minus_m?: number;
}

const NUMBER = String.raw`[+-]?\d+(?:[.,]\d+)?`;
const CHAINAGE = new RegExp(String.raw`^(?:km\s*)?(${NUMBER})(?:\s*km)?$`, "i");
const COORDINATES = /^([+-]?\d+\.\d+)\s*[,; ]\s*([+-]?\d+\.\d+)$/;
const POST = /^(?:post\s+)?([\w/-]+)\s*\+\s*(\d+)(?:\s*m)?$/i;
const OFFSET = /^(.*?\S)\s*([+-])\s*(\d+(?:[.,]\d+)?)\s*m$/;

const SURE = new RegExp(String.raw`^(.*?\S)\s*(?:±|\+\/-)\s*(${NUMBER})(?:\s*m)?$`);

const number = (text: string) => Number(text.replace(",", "."));

/** The place that is meant; null where it cannot be told. `landmarks` are those of the line. */
export function foundAt(said: string, landmarks: string[]): FoundAt | null {
  const sure = SURE.exec(said.trim());
  const place = placeAt(sure?.[1] ?? said.trim(), landmarks);
  if (sure === null || place === null) return place;
  const plus_minus_m = number(sure[2] ?? "");
  return plus_minus_m > 0 ? { ...place, plus_minus_m } : null;
}

function placeAt(text: string, landmarks: string[]): FoundAt | null {
  const named = (name: string) => landmarks.find((one) => one.toLowerCase() === name.trim().toLowerCase());
  const landmark = named(text);
  if (landmark !== undefined) return { landmark, offset_m: 0 };
  const offset = OFFSET.exec(text);
  const from = offset === null ? undefined : named(offset[1] ?? "");
  if (offset !== null && from !== undefined) return { landmark: from, offset_m: number(`${offset[2]}${offset[3]}`) };
  const place = COORDINATES.exec(text);
  if (place !== null) {
    const [lat, lon] = [number(place[1] ?? ""), number(place[2] ?? "")];
    return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
  }
  const chainage = CHAINAGE.exec(text);
  if (chainage !== null) {
    const km = number(chainage[1] ?? "");
    return km >= 0 ? { chainage_m: Math.round(km * 1_000_000) / 1_000 } : null;
  }
  const post = POST.exec(text);
  return post === null ? null : { post: `${post[1]}+${post[2]}` };
}

/** The same in words, so that a slip is seen before it is sent. */
export function foundWords({ plus_minus_m, ...place }: FoundAt): string {
  return placeWords(place) + (plus_minus_m === undefined ? "" : ` ± ${plus_minus_m} m`);
}

function placeWords({ lat, lon, post, landmark, offset_m, chainage_m }: FoundAt): string {
  if (lat !== undefined && lon !== undefined) return `at ${lat.toFixed(5)}, ${lon.toFixed(5)}`;
  if (post !== undefined) return `at post ${post.replace("+", " + ")} m`;
  if (chainage_m !== undefined) return `at km ${(chainage_m / 1_000).toFixed(3)}`;
  const metres = offset_m ?? 0;
  if (metres === 0) return `at ${landmark ?? ""}`;
  return `${Math.abs(metres)} m ${metres > 0 ? "past" : "before"} ${landmark ?? ""}, seen from the A end`;
}
