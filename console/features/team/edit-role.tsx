"use client";

import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";
import type { Role } from "./use-roles";

const RoleForm = dynamic(() => import("./role-form").then((module) => module.RoleForm));

interface Props {
  /** The role to change or `new`; the dialog is closed without one. */
  role: Role | "new" | undefined;
  onClose: () => void;
}

export function EditRole({ role, onClose }: Props) {
  const t = useTranslations("teams.roles");
  return (
    <Dialog
      open={role !== undefined}
      onOpenChange={onClose}
      title={role === "new" ? t("create") : t("edit")}
      description={role === "new" ? t("createText") : t("editText")}
    >
      {role !== undefined && <RoleForm role={role === "new" ? undefined : role} onSaved={onClose} />}
    </Dialog>
  );
}
