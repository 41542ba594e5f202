"use client";

import { useNow } from "use-intl";
import { DateTime } from "@/components/time";
import { Badge } from "@/components/ui/layout";
import { useFormatter, useTranslations } from "@/lib/i18n";
import { audienceOf, audienceWhileOn } from "./audience";
import type { Flag } from "./queries";

const INTERVAL = 5_000;

export function useAudience(flag: Flag) {
  return audienceOf(flag, useNow({ updateInterval: INTERVAL }).getTime());
}

const TONES = {
  off: "neutral",
  scheduled: "neutral",
  ended: "neutral",
  none: "neutral",
  everyone: "good",
  some: "good",
} as const;

export function FlagBadge({ flag }: { flag: Flag }) {
  const t = useTranslations("flags");
  const format = useFormatter();
  const audience = useAudience(flag);
  const share = format.number(flag.percentage / 100, { style: "percent", maximumFractionDigits: 2 });
  const isShare = audience === "some" && flag.percentage > 0;
  return (
    <Badge tone={TONES[audience]}>{isShare ? t(`shareOf.${flag.unit}`, { share }) : t(`audiences.${audience}`)}</Badge>
  );
}

/** Explains in sentences who sees the feature, and when. */
export function WhoSeesIt({ flag }: { flag: Flag }) {
  const t = useTranslations("flags");
  const format = useFormatter();
  const audience = useAudience(flag);
  const share = format.number(flag.percentage / 100, { style: "percent", maximumFractionDigits: 2 });
  const { starts_at: start, ends_at: end } = flag;
  const isOn = audience !== "off" && audience !== "ended";
  return (
    <ul className="grid gap-1.5 text-sm">
      {audience === "off" && <li>{t("explainOff")}</li>}
      {audience === "ended" && end !== null && (
        <li>{t.rich("explainEnded", { time: () => <DateTime value={end} /> })}</li>
      )}
      {audience === "scheduled" && start !== null && (
        <li>{t.rich("explainScheduled", { time: () => <DateTime value={start} /> })}</li>
      )}
      {isOn && audienceWhileOn(flag) === "everyone" && <li>{t("explainEveryone")}</li>}
      {isOn && audienceWhileOn(flag) === "none" && <li>{t("explainNone")}</li>}
      {isOn && audienceWhileOn(flag) === "some" && (
        <>
          {flag.percentage > 0 && <li>{t(`explainShare.${flag.unit}`, { share })}</li>}
          {flag.users.length > 0 && <li>{t("explainUsers", { count: flag.users.length })}</li>}
          {flag.teams.length > 0 && <li>{t("explainTeams", { count: flag.teams.length })}</li>}
          <li className="text-quiet">{t("explainOthers")}</li>
        </>
      )}
      {isOn && end !== null && <li>{t.rich("explainEnds", { time: () => <DateTime value={end} /> })}</li>}
      {flag.is_default && <li className="text-quiet">{t("explainDefault")}</li>}
      {!flag.is_declared && <li className="text-bad">{t("explainUnused")}</li>}
    </ul>
  );
}
