"use client";

import { Check, Minus } from "lucide-react";
import { Fragment } from "react";
import { useMatrix } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { groupPermissions, usePermissionTexts } from "./permissions";
import { useRoles } from "./use-roles";

/** Which role has which permission. On narrow screens it scrolls inside itself. */
export function PermissionTable() {
  const t = useTranslations("teams.roles");
  const { permissions } = useMatrix();
  const roles = useRoles();
  const texts = usePermissionTexts();
  return (
    <div
      role="region"
      aria-label={t("permissions")}
      tabIndex={0}
      className="relative -mx-5 max-h-[36rem] overflow-auto border-y border-line sm:mx-0 sm:rounded-lg sm:border-x"
    >
      <table className="w-full border-separate border-spacing-0 text-sm">
        <thead>
          <tr>
            <th
              scope="col"
              className="sticky top-0 left-0 z-20 min-w-44 border-b border-line bg-card px-4 py-3 text-left"
            >
              {t("permission")}
            </th>
            {roles.map((role) => (
              <th
                key={role.name}
                scope="col"
                className="sticky top-0 z-10 max-w-40 border-b border-line bg-card px-4 py-3 font-medium break-words"
              >
                {role.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {groupPermissions(permissions).map(([group, members]) => (
            <Fragment key={group}>
              <tr>
                <th
                  scope="rowgroup"
                  colSpan={roles.length + 1}
                  className="border-b border-line bg-ground px-4 py-1.5 text-left font-medium"
                >
                  <span className="sticky left-4">{texts.group(group)}</span>
                </th>
              </tr>
              {members.map((permission) => (
                <tr key={permission.name}>
                  <th
                    scope="row"
                    className="sticky left-0 border-b border-line bg-card px-4 py-2.5 text-left font-normal"
                  >
                    {texts.describe(permission)}
                    <code className="block text-xs text-quiet">{permission.name}</code>
                  </th>
                  {roles.map((role) => (
                    <td key={role.name} className="border-b border-line px-4 py-2.5 text-center">
                      <Mark isGranted={role.permissions.includes(permission.name)} />
                    </td>
                  ))}
                </tr>
              ))}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Mark({ isGranted }: { isGranted: boolean }) {
  const t = useTranslations("teams.roles");
  const Icon = isGranted ? Check : Minus;
  return (
    <>
      <Icon className={isGranted ? "mx-auto size-4 text-good" : "mx-auto size-4 text-quiet"} aria-hidden />
      <span className="sr-only">{t(isGranted ? "granted" : "notGranted")}</span>
    </>
  );
}
