// Dates in expressions, as src/meta/expression/date.rs has them: texts as documents store them.

import { add } from "./decimal.js";

const DAY = 86_400_000;
const MOST_DAYS = 4_000_000;

const two = (number) => String(number).padStart(2, "0");

/** A date as the number of days since 1970; null if there is no such day. */
function days(year, month, day) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const found = year > 0 && year <= 9999 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return found ? Math.round(date.getTime() / DAY) : null;
}

/** A time of day in the form that is stored; null if there is none. */
function readTime(text) {
  const parts = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/.exec(text);
  if (!parts) return null;
  const [, hour, minute, second = "00", fraction = ""] = parts;
  if (hour > 23 || minute > 59 || second > 59) return null;
  return `${hour}:${minute}:${second}.${fraction.padEnd(6, "0")}`;
}

/** The days of a text, and its time if it has one; null if it is not a date. */
export function parse(value) {
  if (typeof value !== "string") return null;
  const parts = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](.*))?$/s.exec(value);
  if (!parts) return null;
  const day = days(Number(parts[1]), Number(parts[2]), Number(parts[3]));
  const time = parts[4] === undefined ? "" : readTime(parts[4]);
  return day === null || time === null ? null : { day, time };
}

function fields(day) {
  const date = new Date(day * DAY);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, date: date.getUTCDate() };
}

export function write({ day, time }) {
  const { year, month, date } = fields(day);
  if (!(year >= 1 && year <= 9999)) return null;
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(date)}${time ? ` ${time}` : ""}`;
}

/** The same time on a text's day as `change` has it; null where there is none. */
function changed(value, change) {
  const moment = parse(value);
  const day = moment ? change(moment.day) : null;
  return day === null ? null : write({ ...moment, day });
}

const whole = (number) => (Math.abs(number) <= MOST_DAYS ? Math.trunc(number) : null);

function moved(day, months) {
  const by = whole(months);
  if (by === null) return null;
  const { year, month, date } = fields(day);
  const at = year * 12 + month - 1 + by;
  const [newYear, newMonth] = [Math.floor(at / 12), (at % 12 + 12) % 12 + 1];
  if (newYear < 1 || newYear > 9999) return null;
  for (let last = date; last > 27; last -= 1) {
    const found = days(newYear, newMonth, last);
    if (found !== null) return found;
  }
  return days(newYear, newMonth, date);
}

const read = (value, of) => {
  const moment = parse(value);
  return moment ? of(fields(moment.day), moment.day) : null;
};

export const date = (value) => read(value, (_, day) => write({ day, time: "" }));
export const year = (value) => read(value, (at) => at.year);
export const month = (value) => read(value, (at) => at.month);
export const day = (value) => read(value, (at) => at.date);
// 1970 began on a Thursday.
export const weekday = (value) => read(value, (_, at) => ((at + 3) % 7 + 7) % 7 + 1);
export const addDays = (value, by) => changed(value, (at) => (whole(by) === null ? null : at + whole(by)));
export const addMonths = (value, by) => changed(value, (at) => moved(at, by));
export const monthStart = (value) => read(value, (at) => write({ day: days(at.year, at.month, 1), time: "" }));

export function monthEnd(value) {
  return read(value, (at) => {
    for (let last = 31; ; last -= 1) {
      const found = days(at.year, at.month, last);
      if (found !== null) return write({ day: found, time: "" });
    }
  });
}

export function dateDiff(a, b) {
  const [one, other] = [parse(a), parse(b)];
  return one && other ? one.day - other.day : null;
}

export function monthsBetween(from, until) {
  if (!parse(from) || !parse(until)) return null;
  const [a, b] = [fields(parse(from).day), fields(parse(until).day)];
  const months = (b.year - a.year) * 12 + b.month - a.month;
  const short = (months > 0 && b.date < a.date) || (months < 0 && b.date > a.date);
  return short ? months - Math.sign(months) : months;
}

export function yearsBetween(from, until) {
  const months = monthsBetween(from, until);
  return months === null ? null : Math.trunc(months / 12) + 0;
}

/** Microseconds since 1970 of a datetime, or since midnight of a time. */
function micros(value) {
  const moment = parse(value) ?? (typeof value === "string" && readTime(value) ? { day: 0, time: readTime(value) } : null);
  if (!moment) return null;
  const [, hour, minute, second, fraction] = /^(\d\d):(\d\d):(\d\d)\.(\d{6})$/.exec(moment.time || "00:00:00.000000").map(Number);
  return BigInt(moment.day * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000n + BigInt(fraction);
}

export function timeDiff(a, b) {
  const [one, other] = [micros(a), micros(b)];
  if (one === null || other === null) return null;
  const between = one - other;
  return add(Number(between / 1_000_000n), Number(between % 1_000_000n) / 1_000_000);
}

/** A text as a Date, Datetime or Time field keeps it; null if it is none. */
export function fitting(kind, value) {
  if (typeof value !== "string") return null;
  const text = value.trim();
  if (kind === "date") return date(text);
  const moment = parse(text);
  if (kind === "datetime") return moment ? write({ ...moment, time: moment.time || "00:00:00.000000" }) : null;
  const time = readTime(text);
  return time ? time.replace(/\.000000$/, "") : null;
}
