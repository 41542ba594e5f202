"use client";

import { ChevronDown } from "lucide-react";
import dynamic from "next/dynamic";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { useMe } from "@/features/session/session";
import { useTranslations } from "@/lib/i18n";
import { useParams } from "@/lib/url";
import type { AuditEntry } from "./queries";
import { useLabels } from "./use-labels";

const MemberPicker = dynamic(() => import("@/features/team/member-picker").then((module) => module.MemberPicker));

const KINDS = ["api_key", "job", "command", "system"] as const;

/** Chooses whose actions are shown: a member's, or those of a program. */
export function ActorFilter({ entries }: { entries: readonly AuditEntry[] }) {
  const t = useTranslations("audit");
  const me = useMe();
  const [params, change] = useParams();
  const [isOpen, setOpen] = useState(false);
  const [names, setNames] = useState<ReadonlyMap<string, string>>(new Map());
  const labels = useLabels();
  const actor = params.get("actor") ?? "";
  const kind = KINDS.find((each) => each === actor);
  const entry = entries.find((each) => each.actor.user_id === actor);
  const name =
    actor === ""
      ? t("anyActor")
      : kind !== undefined
        ? t(`kinds.${kind}`)
        : (names.get(actor) ?? (entry ? labels.actor(entry.actor) : t("member")));
  const choose = (value: string) => {
    change({ actor: value });
    setOpen(false);
  };
  const programs = [
    { value: "", label: t("anyActor") },
    { value: me.id, label: t("me") },
    ...KINDS.map((value) => ({ value, label: t(`kinds.${value}`) })),
  ];
  return (
    <>
      <Button variant="secondary" className="max-w-full font-normal" onClick={() => setOpen(true)}>
        <span className="sr-only">{t("actor")}: </span>
        <span className="truncate">{name}</span>
        <ChevronDown className="size-4 shrink-0 text-quiet" aria-hidden />
      </Button>
      <Dialog open={isOpen} onOpenChange={setOpen} title={t("actor")}>
        <div className="mb-4 flex flex-wrap gap-2">
          {programs.map(({ value, label }) => (
            <Button
              key={value}
              variant={value === actor ? "primary" : "secondary"}
              size="small"
              aria-pressed={value === actor}
              onClick={() => choose(value)}
            >
              {label}
            </Button>
          ))}
        </div>
        <MemberPicker
          label={t("member")}
          value={actor}
          onChange={({ user_id, full_name, email }) => {
            setNames(new Map(names).set(user_id, full_name || email));
            choose(user_id);
          }}
        />
      </Dialog>
    </>
  );
}
