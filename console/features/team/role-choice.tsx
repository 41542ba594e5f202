"use client";

import type { ComponentProps } from "react";
import { useTranslations } from "@/lib/i18n";
import { useRoles } from "./use-roles";

interface Props extends ComponentProps<"input"> {
  error?: string;
  /** The role that is chosen now, which is offered in any case. */
  current?: string;
}

/** A choice among the roles that the user may assign. */
export function RoleChoice({ error, current, ...props }: Props) {
  const t = useTranslations("team.members");
  const roles = useRoles().filter((role) => role.isAssignable || role.name === current);
  return (
    <fieldset>
      <legend className="text-sm font-medium">{t("role")}</legend>
      <div className="mt-2 grid max-h-64 gap-1 overflow-y-auto">
        {roles.map((role) => (
          <label
            key={role.name}
            className="flex cursor-pointer gap-3 rounded-lg border border-line p-3 has-checked:border-accent has-checked:bg-accent/10"
          >
            <input type="radio" className="mt-1 size-4 accent-accent" {...props} value={role.name} />
            <span className="min-w-0">
              <span className="block text-sm font-medium break-words">{role.label}</span>
              <span className="block text-sm break-words text-quiet">{role.description}</span>
            </span>
          </label>
        ))}
      </div>
      {error !== undefined && <p className="mt-1.5 text-sm text-bad">{error}</p>}
    </fieldset>
  );
}
