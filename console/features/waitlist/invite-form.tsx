"use client";

import * as z from "zod/mini";
import { Form, Submit, useServerForm } from "@/components/form";
import { DialogActions } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/field";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { WAITLIST } from "./queries";

const MOST = 200;

const isCount = (text: string) => /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= MOST;

const inviteSchema = z.object({ count: z.string().check(z.refine(isCount, "count")) });

/** Invites those who have waited longest. */
export function InviteForm({ onInvited }: { onInvited: () => void }) {
  const t = useTranslations("waitlist");
  const invite = useAction({
    run: ({ count }: { count: string }, key) =>
      api.waitingList.inviteFromWaitlist({ count: Number(count), "Idempotency-Key": key }),
    success: ({ invited }) => t("invited", { count: invited }),
    invalidates: [WAITLIST],
    onSuccess: onInvited,
    showsErrors: true,
  });
  const form = useServerForm({ schema: inviteSchema, values: { count: "10" }, submit: invite.mutateAsync });
  const { error, ...field } = form.field("count");
  return (
    <Form form={form}>
      <TextField
        label={t("count")}
        hint={t("countHint", { most: MOST })}
        type="number"
        inputMode="numeric"
        min={1}
        max={MOST}
        error={error === "count" ? t("countInvalid", { most: MOST }) : error}
        {...field}
      />
      <DialogActions>
        <Submit form={form}>{t("invite")}</Submit>
      </DialogActions>
    </Form>
  );
}
