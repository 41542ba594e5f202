"use client";

import { useQueryClient } from "@tanstack/react-query";
import { ApiError } from "undercroft-client";
import { useRef, useState } from "react";
import * as z from "zod/mini";
import { useErrorMessage } from "@/components/error-text";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextArea } from "@/components/ui/field";
import { useToasts } from "@/components/ui/toast";
import { useTeam } from "@/features/teams/current";
import { api } from "@/lib/api";
import { Cancelled, isOutcomeUnknown, requestIdOf } from "@/lib/errors";
import { useTranslations } from "@/lib/i18n";
import { perform } from "@/lib/prompts";
import { parseAddresses } from "./addresses";
import { invitationsKey } from "./queries";
import { RoleChoice } from "./role-choice";
import { useRoles } from "./use-roles";

interface Failure {
  email: string;
  message: string;
  requestId: string | undefined;
}

const schema = z.object({
  emails: z.string().check(
    z.refine((text) => parseAddresses(text).valid.length > 0, "required"),
    z.refine((text) => parseAddresses(text).invalid.length === 0, {
      error: ({ input }) => parseAddresses(String(input)).invalid.join(", "),
    }),
  ),
  role: z.string(),
});

type Values = z.infer<typeof schema>;

/** Invites several addresses. Those that failed stay in the form, each with its reason. */
export function InviteForm({ onSent }: { onSent: () => void }) {
  const t = useTranslations("team.invitations");
  const team = useTeam();
  const client = useQueryClient();
  const toasts = useToasts();
  const roles = useRoles().filter((role) => role.isAssignable);
  const [failures, setFailures] = useState<readonly Failure[]>([]);
  const invite = useInvite();

  const form = useServerForm<Values>({
    schema,
    values: { emails: "", role: roles.find(({ name }) => name === "member")?.name ?? roles.at(-1)?.name ?? "" },
    submit: async ({ emails, role }) => {
      const addresses = parseAddresses(emails).valid;
      const { failed, cancelled } = await invite(addresses, role);
      const sent = addresses.length - failed.length - cancelled.length;
      if (sent > 0) {
        void client.invalidateQueries({ queryKey: invitationsKey(team.id) });
        toasts.show(t("sent", { count: sent }));
      }
      if (failed.length + cancelled.length === 0) return onSent();
      setFailures(failed);
      form.form.setValue("emails", [...failed.map(({ email }) => email), ...cancelled].join("\n"), {
        shouldDirty: true,
      });
    },
  });
  const { error, ...emails } = form.field("emails");
  const invalid = parseAddresses(form.form.getValues("emails")).invalid;
  return (
    <Form form={form}>
      {failures.length > 0 && (
        <div role="alert" className="rounded-lg bg-bad-ground p-3 text-sm text-bad">
          <p className="font-medium">{t("notSent", { count: failures.length })}</p>
          <ul className="mt-1 grid gap-1.5">
            {failures.map(({ email, message, requestId }) => (
              <li key={email} className="break-words">
                <span className="font-medium">{email}</span>: {message}
                {requestId && <code className="block text-xs select-all">{requestId}</code>}
              </li>
            ))}
          </ul>
        </div>
      )}
      <TextArea
        label={t("emails")}
        hint={t("emailsHint")}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        error={error !== undefined && invalid.length > 0 ? t("invalid", { emails: invalid.join(", ") }) : error}
        {...emails}
      />
      <RoleChoice {...form.field("role")} />
      <DialogActions>
        <Submit form={form}>{t("send")}</Submit>
      </DialogActions>
    </Form>
  );
}

/** Returns a function that invites one address after the other. After a cancelled step-up, it sends nothing more. */
function useInvite() {
  const team = useTeam();
  const describe = useErrorMessage();
  const keys = useRef(new Map<string, string>()); // of invitations whose outcome is unknown

  const send = async (email: string, role: string) => {
    const name = `${role} ${email}`;
    const key = keys.current.get(name) ?? crypto.randomUUID();
    keys.current.set(name, key);
    try {
      await perform(() => api.teams.createInvitation({ team_id: team.id, email, role, "Idempotency-Key": key }));
      keys.current.delete(name);
    } catch (error) {
      if (!isOutcomeUnknown(error)) keys.current.delete(name);
      throw error;
    }
  };

  return async (addresses: readonly string[], role: string) => {
    const failed: Failure[] = [];
    for (const [index, email] of addresses.entries()) {
      try {
        await send(email, role);
      } catch (error) {
        if (error instanceof Cancelled) return { failed, cancelled: addresses.slice(index) };
        const field = error instanceof ApiError ? error.fields.find((each) => each.field.endsWith("email")) : undefined;
        failed.push({ email, message: field?.message ?? describe(error), requestId: requestIdOf(error) });
      }
    }
    return { failed, cancelled: [] };
  };
}
