"use client";

import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";
import type { Project } from "./queries";

const EditProjectForm = dynamic(() => import("./edit-form").then((module) => module.EditProjectForm));

interface Props {
  project: Project;
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function EditProject({ project, open, onOpenChange }: Props) {
  const t = useTranslations("projects");
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={t("edit")}>
      <EditProjectForm project={project} onSaved={() => onOpenChange(false)} />
    </Dialog>
  );
}
