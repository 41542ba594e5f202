"use client";

import dynamic from "next/dynamic";
import { Dialog } from "@/components/ui/dialog";
import { useTranslations } from "@/lib/i18n";

const PaletteCommands = dynamic(() => import("./palette-commands").then((module) => module.PaletteCommands));

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

/** Opens any page or team from the keyboard. */
export function Palette({ open, onOpenChange }: Props) {
  const t = useTranslations("palette");
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={t("title")}>
      <PaletteCommands onClose={() => onOpenChange(false)} />
    </Dialog>
  );
}
