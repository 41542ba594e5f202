"use client";

import { Button } from "@/components/ui/button";
import { useTranslations } from "@/lib/i18n";

interface Props<Values extends object> {
  /** Names of the compared fields. */
  labels: { [Name in keyof Values]: string };
  mine: Values;
  latest: Values;
  onKeepMine: () => void;
  onTakeLatest: () => void;
}

/** Shows both versions when another user has changed the same entry. */
export function Conflict<Values extends object>({ labels, mine, latest, onKeepMine, onTakeLatest }: Props<Values>) {
  const t = useTranslations("conflict");
  const names = Object.keys(labels) as (keyof Values)[];
  const changed = names.filter((name) => mine[name] !== latest[name]);
  return (
    <div role="alert" className="rounded-lg border border-line bg-ground p-4 text-sm">
      <p className="font-medium">{t("title")}</p>
      <p className="mt-1 text-quiet">{t("text")}</p>
      <dl className="mt-3 grid gap-3">
        {changed.map((name) => (
          <div key={String(name)}>
            <dt className="font-medium">{labels[name]}</dt>
            <dd className="mt-1 grid gap-2 sm:grid-cols-2">
              <Version label={t("mine")} value={mine[name]} />
              <Version label={t("latest")} value={latest[name]} />
            </dd>
          </div>
        ))}
      </dl>
      <div className="mt-4 flex flex-wrap gap-2">
        <Button variant="secondary" size="small" onClick={onTakeLatest}>
          {t("takeLatest")}
        </Button>
        <Button variant="secondary" size="small" onClick={onKeepMine}>
          {t("keepMine")}
        </Button>
      </div>
    </div>
  );
}

function Version({ label, value }: { label: string; value: unknown }) {
  return (
    <div className="max-h-32 min-w-0 overflow-y-auto rounded-md border border-line bg-card p-2">
      <p className="text-xs text-quiet">{label}</p>
      <p className="break-words whitespace-pre-wrap">{String(value)}</p>
    </div>
  );
}
