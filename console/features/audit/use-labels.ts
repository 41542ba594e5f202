"use client";

import { useTranslations } from "@/lib/i18n";
import type { AuditEntry } from "./queries";

interface Labels {
  /** The name of an action such as `project.created`; one of an extension without a translation is shown as it is. */
  action: (action: string) => string;
  /** Who or what acted. */
  actor: (actor: AuditEntry["actor"]) => string;
  /** The name of a changed field. */
  field: (name: string) => string;
}

export function useLabels(): Labels {
  const t = useTranslations("audit");
  return {
    action: (action) => (t.has(`actions.${action}` as never) ? t(`actions.${action}` as never) : action),
    actor: (actor) => {
      if (actor.impersonator_id !== null) return t("staff");
      if (actor.kind === "user") return actor.full_name || actor.email || t("formerMember");
      return t(`kinds.${actor.kind}`);
    },
    field: (name) =>
      t.has(`fields.${name}` as never)
        ? t(`fields.${name}` as never)
        : (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " "),
  };
}
