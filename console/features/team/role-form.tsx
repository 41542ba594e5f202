"use client";

import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { Checkbox, TextField } from "@/components/ui/field";
import { TEAMS, useCan, useMatrix, useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { groupPermissions, usePermissionTexts } from "./permissions";
import type { Role } from "./use-roles";

const schema = z.object({
  name: z
    .string()
    .check(
      z.trim(),
      z.minLength(1, "required"),
      z.maxLength(40, "tooLong"),
      z.regex(/^[a-z][a-z0-9_-]*$/, "identifier"),
    ),
  description: z.string().check(z.trim(), z.maxLength(200, "tooLong")),
  permissions: z.array(z.string()),
});

type Values = z.infer<typeof schema>;

/** Creates a custom role, or changes one. */
export function RoleForm({ role, onSaved }: { role: Role | undefined; onSaved: () => void }) {
  const t = useTranslations("teams.roles");
  const common = useTranslations("common");
  const team = useTeam();
  const save = useAction({
    run: (values: Values, key): Promise<unknown> =>
      role?.id
        ? api.teams.updateRole({ team_id: team.id, role_id: role.id, ...values })
        : api.teams.createRole({ team_id: team.id, ...values, "Idempotency-Key": key }),
    success: role === undefined ? t("created") : t("saved"),
    invalidates: [TEAMS], // everything of the teams: members, invitations and the user's own role have the name
    showsErrors: true,
  });
  const form = useServerForm<Values>({
    schema,
    values: {
      name: role?.name ?? "",
      description: role?.description ?? "",
      permissions: role?.permissions ?? ["teams:read"],
    },
    submit: async (values) => {
      await save.mutateAsync(values);
      onSaved();
    },
  });
  return (
    <Form form={form}>
      <TextField
        label={t("name")}
        hint={t("nameHint")}
        maxLength={40}
        autoComplete="off"
        autoCapitalize="off"
        {...form.field("name")}
      />
      <TextField label={t("description")} maxLength={200} autoComplete="off" {...form.field("description")} />
      <Permissions
        granted={form.form.watch("permissions")}
        onChange={(permissions) => form.form.setValue("permissions", permissions, { shouldDirty: true })}
      />
      <DialogActions>
        <Submit form={form}>{role === undefined ? t("create") : common("save")}</Submit>
      </DialogActions>
    </Form>
  );
}

interface PermissionsProps {
  granted: readonly string[];
  onChange: (granted: string[]) => void;
}

/** The permissions that the user may grant: those that the user has, and that are not reserved for built-in roles. */
function Permissions({ granted, onChange }: PermissionsProps) {
  const t = useTranslations("teams.roles");
  const can = useCan();
  const texts = usePermissionTexts();
  const grantable = useMatrix().permissions.filter((permission) => permission.grantable && can(permission.name));
  const toggle = (name: string, isGranted: boolean) =>
    onChange(isGranted ? [...granted, name] : granted.filter((each) => each !== name));
  return (
    <fieldset>
      <legend className="text-sm font-medium">{t("permissions")}</legend>
      <div className="mt-2 grid max-h-72 gap-4 overflow-y-auto rounded-lg border border-line p-3">
        {groupPermissions(grantable).map(([group, permissions]) => (
          <div key={group} role="group" aria-label={texts.group(group)} className="grid gap-2">
            <p className="text-sm text-quiet" aria-hidden>
              {texts.group(group)}
            </p>
            {permissions.map((permission) => (
              <Checkbox
                key={permission.name}
                label={texts.describe(permission)}
                checked={granted.includes(permission.name)}
                onChange={(event) => toggle(permission.name, event.target.checked)}
              />
            ))}
          </div>
        ))}
      </div>
    </fieldset>
  );
}
