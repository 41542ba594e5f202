"use client";

import { ConfirmDialog } from "@/components/ui/confirm";
import { useTeam } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { membersKey, type Member } from "./queries";

interface Props {
  /** The member to remove; the dialog is closed without one. */
  member: Member | undefined;
  onClose: () => void;
}

export function RemoveMember({ member, onClose }: Props) {
  const t = useTranslations("team.members");
  const team = useTeam();
  const remove = useAction({
    run: ({ user_id }: Member) => api.teams.removeMember({ team_id: team.id, user_id }),
    success: (_, { full_name, email }) => t("removed", { name: full_name || email }),
    invalidates: [membersKey(team.id)],
  });
  const name = member?.full_name || member?.email || "";
  return (
    <ConfirmDialog
      open={member !== undefined}
      onOpenChange={onClose}
      title={t("removeTitle", { name })}
      text={t("removeText", { team: team.name })}
      action={t("remove")}
      onConfirm={async () => member && remove.mutateAsync(member)}
    />
  );
}
