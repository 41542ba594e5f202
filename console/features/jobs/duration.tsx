"use client";

import { useFormatter } from "@/lib/i18n";

const UNITS = [
  { unit: "day", seconds: 86_400 },
  { unit: "hour", seconds: 3_600 },
  { unit: "minute", seconds: 60 },
] as const;

/** Returns a function that writes a number of seconds in words, in the largest fitting unit. */
export function useDuration(): (seconds: number) => string {
  const format = useFormatter();
  return (seconds) => {
    const { unit, seconds: size } = UNITS.find((each) => seconds >= each.seconds) ?? { unit: "second", seconds: 1 };
    const value = seconds / size;
    return format.number(value, {
      style: "unit",
      unit,
      unitDisplay: "long",
      maximumFractionDigits: value < 10 ? 1 : 0,
    });
  };
}
