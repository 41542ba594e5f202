"use client";

import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";
import type { Member } from "./queries";

const ChangeRoleForm = dynamic(() => import("./change-role-form").then((module) => module.ChangeRoleForm));

interface Props {
  /** The member whose role changes; the dialog is closed without one. */
  member: Member | undefined;
  onClose: () => void;
}

export function ChangeRole({ member, onClose }: Props) {
  const t = useTranslations("team.members");
  return (
    <Dialog
      open={member !== undefined}
      onOpenChange={onClose}
      title={t("changeRole")}
      description={member && t("changeRoleText", { name: member.full_name || member.email })}
    >
      {member && <ChangeRoleForm member={member} onSaved={onClose} />}
    </Dialog>
  );
}
