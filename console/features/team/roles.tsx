"use client";

import { Plus } from "lucide-react";
import Link from "next/link";
import { useState } from "react";
import { ApiError } from "undercroft-client";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Badge, Section } from "@/components/ui/layout";
import { useToasts } from "@/components/ui/toast";
import { permissionsQuery, useCan, useTeam, useTeamHref } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { Cancelled } from "@/lib/errors";
import { useTranslations } from "@/lib/i18n";
import { TeamPage } from "./page";
import { PermissionTable } from "./permission-table";
import { EditRole } from "./edit-role";
import { useRoles, type Role } from "./use-roles";

export function RolesPage() {
  const t = useTranslations("teams.roles");
  const can = useCan();
  const roles = useRoles();
  const [edited, setEdited] = useState<Role | "new">();
  const create = can("roles:write") && (
    <Button onClick={() => setEdited("new")}>
      <Plus className="size-4" aria-hidden />
      {t("create")}
    </Button>
  );
  return (
    <TeamPage text={t("text")} actions={create}>
      <Section title={t("title")}>
        <ul className="divide-y divide-line">
          {roles.map((role) => (
            <li key={role.name} className="flex flex-wrap items-center gap-x-4 gap-y-2 py-3 first:pt-0 last:pb-0">
              <div className="min-w-0 flex-1 basis-60">
                <p className="font-medium break-words">{role.label}</p>
                <p className="text-sm break-words text-quiet">{role.description}</p>
              </div>
              {role.built_in ? <Badge>{t("builtIn")}</Badge> : <Actions role={role} onEdit={() => setEdited(role)} />}
            </li>
          ))}
        </ul>
      </Section>
      <Section title={t("permissions")} text={t("permissionsText")}>
        <PermissionTable />
      </Section>
      <EditRole role={edited} onClose={() => setEdited(undefined)} />
    </TeamPage>
  );
}

/** Changing a role takes all of its permissions. */
function Actions({ role, onEdit }: { role: Role; onEdit: () => void }) {
  const t = useTranslations("teams.roles");
  const common = useTranslations("common");
  const can = useCan();
  if (!can("roles:write") || !role.isAssignable) return null;
  return (
    <div className="flex gap-2">
      <Button variant="secondary" size="small" aria-label={t("editNamed", { name: role.label })} onClick={onEdit}>
        {common("edit")}
      </Button>
      <DeleteRole role={role} />
    </div>
  );
}

interface Usage {
  members: number;
  invitations: number;
  auto_join: boolean;
}

function DeleteRole({ role }: { role: Role }) {
  const t = useTranslations("teams.roles");
  const common = useTranslations("common");
  const team = useTeam();
  const toasts = useToasts();
  const [usage, setUsage] = useState<Usage>();
  const remove = useAction({
    run: () => api.teams.deleteRole({ team_id: team.id, role_id: role.id ?? "" }),
    success: t("deleted", { name: role.label }),
    invalidates: [permissionsQuery(team.id).queryKey],
    showsErrors: true,
  });
  const confirm = async () => {
    try {
      await remove.mutateAsync();
    } catch (error) {
      if (error instanceof ApiError && error.is("ROLE_IN_USE")) setUsage(error.details as unknown as Usage);
      else if (!(error instanceof Cancelled)) toasts.showError(error);
      throw error;
    }
  };
  return (
    <Confirm
      title={t("deleteTitle", { name: role.label })}
      text={usage === undefined ? t("deleteText") : <InUse role={role} usage={usage} />}
      action={common("delete")}
      onConfirm={confirm}
    >
      <Button variant="danger" size="small" aria-label={t("deleteNamed", { name: role.label })}>
        {common("delete")}
      </Button>
    </Confirm>
  );
}

/** Who uses the role, and where to change that. */
function InUse({ role, usage }: { role: Role; usage: Usage }) {
  const t = useTranslations("teams.roles");
  const href = useTeamHref();
  const uses = [
    {
      isShown: usage.members > 0,
      text: t("usedByMembers", { members: usage.members }),
      path: href("/team/", { role: role.name }),
    },
    {
      isShown: usage.invitations > 0,
      text: t("usedByInvitations", { invitations: usage.invitations }),
      path: href("/team/invitations/"),
    },
    { isShown: usage.auto_join, text: t("usedByDomains"), path: href("/team/settings/") },
  ];
  return (
    <span role="alert" className="block text-ink">
      {t("inUse")}
      {uses
        .filter(({ isShown }) => isShown)
        .map(({ text, path }) => (
          <Link key={path} href={path} prefetch={false} className="mt-2 block text-accent underline">
            {text}
          </Link>
        ))}
    </span>
  );
}
