export { ExtensionPage as default } from "@/features/extensions/page";
